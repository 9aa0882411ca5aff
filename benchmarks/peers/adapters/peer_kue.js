/* kue, which is no longer maintained.

packages: kue@0.11.6
handlers: async
import: require('kue')
settings: process() with concurrency = slots; completed jobs removed in the speed rows (removeOnComplete)
guarantees: at most once: popped before the run, a job whose worker dies stays active for ever; done() ends it; events
    by publish, results off
*/
'use strict';
const kue = require('kue');
const { CONCURRENCY, JOB, KEEP, URL, record } = require('./harness');

const queue = kue.createQueue({ redis: URL, jobEvents: false });

exports.enqueue = () =>
  new Promise((resolve, reject) => {
    queue
      .create('email', JOB)
      .removeOnComplete(!KEEP)
      .save((error) => (error ? reject(error) : resolve()));
  });

exports.work = () => {
  queue.process('email', CONCURRENCY, (job, done) => {
    record(job.data);
    done();
  });
};
