// A queue in SQLite: sqlite.mjs URL BODIES WARM DATABASE
//
// An event is stored before it is sent, and is gone from the table once it was answered. Events come in
// batches of PUT, each one transaction; those answered leave in batches, too: the next transaction takes all
// that were answered while the last one was written, or while the loop was busy with others.
import Database from 'better-sqlite3';
import { AT_ONCE, bodies, clients, measured } from './common.mjs';

const PUT = 400;  // some 128 KiB of events
const TAKE = 256; // rows read at once
const DONE = 64;  // answers gathered for a transaction

const [url, file, warm, path] = process.argv.slice(2);
const events = bodies(file);
const post = clients.pool(url);

const db = new Database(path);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec('CREATE TABLE job (id INTEGER PRIMARY KEY, body TEXT NOT NULL)');
const put = db.prepare('INSERT INTO job (id, body) VALUES (?, ?)');
const take = db.prepare('SELECT id, body FROM job WHERE id > ? ORDER BY id LIMIT ?');
const gone = db.prepare('DELETE FROM job WHERE id = ?');
let newest = 0; // of the rows; SQLite would give numbers again once the table is empty
const putAll = db.transaction((list) => list.forEach((body) => put.run(++newest, body)));
const goneAll = db.transaction((ids) => ids.forEach((id) => gone.run(id)));

let last = 0; // the newest row that was taken
let taken = [];
let sending = 0;
let answered = [];
let left = 0; // until the work is done
let allGone;

function commit() {
  const ids = answered;

  answered = [];
  goneAll(ids);
  left -= ids.length;
  if (left === 0)
    allGone();
}

function next() {
  if (taken.length === 0) {
    taken = take.all(last, TAKE).reverse();
    if (taken.length > 0)
      last = taken[0].id;
  }
  return taken.pop();
}

async function send(job) {
  await post(job.body);
  sending--;
  answered.push(job.id);
  if (answered.length >= DONE || sending === 0)
    commit();
  fill();
}

function fill() {
  while (sending < AT_ONCE) {
    const job = next();

    if (!job)
      break;
    sending++;
    send(job);
  }
}

async function work(list) {
  const finished = new Promise((resolve) => { allGone = resolve; });

  left = list.length;
  for (let i = 0; i < list.length; i += PUT) {
    putAll(list.slice(i, i + PUT));
    fill();
    await new Promise(setImmediate);
  }
  if (left > 0)
    await finished;
}

await measured(
  () => work(Array.from({ length: Number(warm) }, (_, i) => events[i % events.length])),
  () => work(events));
