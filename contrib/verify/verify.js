#!/usr/bin/env node
// verify.js PORT SECRETS: a receiver that takes only what is signed as Standard Webhooks say.
//
// SECRETS is a file of whsec_ lines; more than one while a secret is changed. What is good is printed, a body a line,
// and answered with 204, all else with 401. Who must not do things twice remembers the webhook-id of each.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');

const TOLERANCE_S = 300;
const BODY_MAX = 4 << 20;

const [port, secrets] = process.argv.slice(2);
const keys = fs.readFileSync(secrets, 'utf8').split(/\s+/)
  .filter((line) => line.startsWith('whsec_'))
  .map((line) => Buffer.from(line.slice(6), 'base64'));

function equal(a, b) {
  return a.length === b.length && crypto.timingSafeEqual(a, b);
}

// null, or what is wrong with the request.
function whyNot(headers, body) {
  const id = headers['webhook-id'];
  const seconds = headers['webhook-timestamp'];
  if (!id || !/^[0-9]+$/.test(seconds || '')) return 'it is not signed';
  if (Math.abs(Date.now() / 1000 - Number(seconds)) > TOLERANCE_S) return 'its timestamp is too old, or ahead';
  const good = keys.map((key) =>
    crypto.createHmac('sha256', key).update(`${id}.${seconds}.`).update(body).digest());
  for (const entry of (headers['webhook-signature'] || '').split(' ')) {
    const [version, text] = entry.split(',');
    const given = Buffer.from(text || '', 'base64');
    if (version === 'v1' && good.some((one) => equal(given, one))) return null;
  }
  return 'no signature fits';
}

http.createServer((request, response) => {
  const chunks = [];
  let size = 0;
  request.on('data', (chunk) => {
    size += chunk.length;
    if (size > BODY_MAX) request.destroy();
    else chunks.push(chunk);
  });
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    const why = request.method === 'POST' ? whyNot(request.headers, body) : 'it is no POST';
    if (why) console.error('refused:', why);
    else process.stdout.write(Buffer.concat([body, Buffer.from('\n')]));
    response.writeHead(why ? 401 : 204).end();
  });
}).listen(Number(port), '127.0.0.1');
