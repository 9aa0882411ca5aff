// Harness: what an adapter in JavaScript may use; the twin of harness.py.
'use strict';
const fs = require('fs');
const env = process.env;

const records = fs.openSync(env.PEER_RECORDS, 'a');
const entry = Buffer.alloc(16);

exports.URL = env.PEER_URL;
exports.PORT = Number(new URL(env.PEER_URL).port);
exports.JOB = JSON.parse(env.PEER_JOB);
exports.CONCURRENCY = Number(env.PEER_CONCURRENCY);
exports.KEEP = env.PEER_KEEP === '1';

exports.record = function record(data) {
  entry.writeBigInt64LE(process.hrtime.bigint(), 0); // the clock of Python's monotonic_ns
  entry.write(data.phoneNumber.slice(-8), 8, 'latin1');
  fs.writeSync(records, entry);
};
