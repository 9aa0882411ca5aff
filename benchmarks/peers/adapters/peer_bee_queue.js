/* bee-queue.

packages: bee-queue@2.0.0
handlers: async
import: require('bee-queue')
settings: process() with concurrency = slots; producers without worker, events and stored jobs, succeeded jobs removed
    in the speed rows (removeOnSuccess), events not sent, checkStalledJobs every 5 s
guarantees: at least once: workers report in, stalled jobs go back after 5 s; acknowledged after the run; results off
*/
'use strict';
const Queue = require('bee-queue');
const { CONCURRENCY, JOB, KEEP, PORT, record } = require('./harness');

const lean = { getEvents: false, sendEvents: false, storeJobs: false, removeOnSuccess: !KEEP };
let queue;

const connect = (isWorker) => {
  queue = new Queue('peer', { ...lean, isWorker, redis: { host: '127.0.0.1', port: PORT } });
  return queue.ready();
};

exports.open = () => connect(false);

exports.enqueue = () => queue.createJob(JOB).save();

exports.enqueueBulk = async (count) => {
  const errors = await queue.saveAll(Array.from({ length: count }, () => queue.createJob(JOB)));
  if (errors.size) throw errors.values().next().value;
};

exports.work = async () => {
  await connect(true);
  queue.checkStalledJobs(5000); // without it nobody takes up the jobs of a dead worker
  queue.process(CONCURRENCY, async (job) => record(job.data));
};
