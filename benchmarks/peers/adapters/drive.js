// Drive: run one side of a measurement with an adapter in JavaScript; the twin of drive.py, with the same commands.
'use strict';
const fs = require('fs');
const readline = require('readline');

const CHUNK = 10000; // jobs of one bulk call
const CALLERS = 100;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const seconds = () => Number(process.hrtime.bigint()) / 1e9;

class Budget {
  constructor(count, time) {
    this.taken = 0;
    this.count = count;
    this.end = seconds() + time;
  }

  take(most = 1) {
    if (seconds() > this.end) return 0;
    const given = Math.min(most, this.count - this.taken);
    this.taken += given;
    return given;
  }
}

const acts = {
  async one_by_one(adapter, budget) {
    while (budget.take()) await adapter.enqueue();
  },
  async by_many(adapter, budget) {
    await Promise.all(Array.from({ length: CALLERS }, () => acts.one_by_one(adapter, budget)));
  },
  async in_bulk(adapter, budget) {
    for (let count; (count = budget.take(CHUNK)); ) await adapter.enqueueBulk(count);
  },
};

async function pickUp(adapter, { samples, seconds: time, gap, patience }) {
  const path = process.env.PEER_RECORDS;
  const sent = [];
  let ran = fs.statSync(path).size;
  const end = seconds() + time;
  while (sent.length < samples && seconds() < end) {
    await sleep(gap * 1000 * (0.7 + 0.6 * Math.random()));
    sent.push(Number(process.hrtime.bigint()));
    await adapter.enqueue();
    ran += 16;
    const lost = seconds() + patience;
    while (fs.statSync(path).size < ran) {
      if (seconds() > lost) return sent;
      await sleep(2);
    }
  }
  return sent;
}

async function produce(adapter) {
  const out = Number(process.env.PEER_ANSWERS);
  const answer = (words) => fs.writeSync(out, JSON.stringify(words) + '\n');
  if (adapter.open) await adapter.open();
  answer({ bulk: Boolean(adapter.enqueueBulk) });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    if (command.do === 'pick_up') {
      answer({ sent: await pickUp(adapter, command.how) });
      continue;
    }
    const budget = new Budget(command.count, command.seconds);
    const wall = seconds();
    const before = process.cpuUsage();
    await acts[command.do](adapter, budget);
    const own = process.cpuUsage(before);
    answer({ jobs: budget.taken, wall: seconds() - wall, own: (own.user + own.system) / 1e6 });
  }
  process.exit(0);
}

function failed(error) {
  console.error(error);
  process.exit(1);
}

const [role, name] = process.argv.slice(2);
const adapter = require(`./${name}`);
if (role === 'produce') {
  produce(adapter).catch(failed);
} else {
  process.on('SIGTERM', () => process.exit(0));
  Promise.resolve(adapter.work()).catch(failed);
}
