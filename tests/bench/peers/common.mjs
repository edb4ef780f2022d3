// What the node peers share: the bodies, the clients, and when the clock runs (see ../peers.py).
import { readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Pool } from 'undici';

export const AT_ONCE = 64;

const headers = { 'content-type': 'application/json' };

export function bodies(file) {
  return readFileSync(file, 'utf8').trimEnd().split('\n');
}

function check(status) {
  if (status < 200 || status > 299)
    throw new Error(`the answer was ${status}`);
}

/** Each makes a function that POSTs one body, and throws unless the answer is 2xx. */
export const clients = {
  pool(url) {
    const { origin, pathname } = new URL(url);
    const pool = new Pool(origin, { connections: AT_ONCE, pipelining: 1 });
    const request = { method: 'POST', path: pathname, headers };

    return async function post(body) {
      const answer = await pool.request({ ...request, body });

      await answer.body.dump();
      check(answer.statusCode);
    };
  },

  fetch(url) {
    return async function post(body) {
      const answer = await fetch(url, { method: 'POST', headers, body });

      await answer.arrayBuffer(); // else the connection is not used again
      check(answer.status);
    };
  },
};

/** `warm` is done before the clock runs, `work` while it does; then the process ends. */
export async function measured(warm, work) {
  const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

  await warm();
  writeSync(1, 'ready\n');
  await told.next();
  await work();
  writeSync(1, 'done\n');
  await told.next();
  process.exit(0);
}
