// A BullMQ queue and its worker: bullmq.mjs URL BODIES WARM SOCKET
import { Queue, Worker } from 'bullmq';
import { AT_ONCE, bodies, clients, measured } from './common.mjs';

const BULK = 400;

const [url, file, warm, socket] = process.argv.slice(2);
const events = bodies(file);
const post = clients.pool(url);
const connection = { path: socket, maxRetriesPerRequest: null };

const queue = new Queue('webhooks', {
  connection,
  defaultJobOptions: {
    attempts: 5, backoff: { type: 'exponential', delay: 1000 },
    removeOnComplete: true, removeOnFail: 1000,
  },
});
const worker = new Worker('webhooks', (job) => post(job.data), {
  connection, concurrency: AT_ONCE,
});
let left = 0;
let allDone;

worker.on('completed', () => {
  if (--left === 0)
    allDone();
});
worker.on('failed', (job, error) => { // tried again in earnest, but here nothing may fail
  console.error(error.message);
  process.exit(1);
});

async function work(list) {
  const finished = new Promise((resolve) => { allDone = resolve; });

  left = list.length;
  for (let i = 0; i < list.length; i += BULK)
    await queue.addBulk(list.slice(i, i + BULK).map((data) => ({ name: 'send', data })));
  if (left > 0)
    await finished;
}

await measured(
  () => work(Array.from({ length: Number(warm) }, (_, i) => events[i % events.length])),
  () => work(events));
