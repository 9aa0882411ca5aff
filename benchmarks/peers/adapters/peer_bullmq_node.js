/* bullmq for Node.

packages: bullmq@6.7.0 ioredis@6.0.0
handlers: async
import: require('bullmq')
settings: concurrency = slots; completed jobs removed in the speed rows (removeOnComplete)
guarantees: at least once: lock per job with renewal (30 s), stalled jobs go back; acknowledged after the run; events
    kept, results off
*/
'use strict';
const { Queue, Worker } = require('bullmq');
const { CONCURRENCY, JOB, KEEP, PORT, record } = require('./harness');

const connection = { host: '127.0.0.1', port: PORT, maxRetriesPerRequest: null };
const opts = { removeOnComplete: !KEEP };
let queue;

exports.open = async () => {
  queue = new Queue('peer', { connection });
  await queue.waitUntilReady();
};

exports.enqueue = () => queue.add('email', JOB, opts);

exports.enqueueBulk = (count) => queue.addBulk(Array.from({ length: count }, () => ({ name: 'email', data: JOB, opts })));

exports.work = () => {
  new Worker('peer', async (job) => record(job.data), { connection, concurrency: CONCURRENCY });
};
