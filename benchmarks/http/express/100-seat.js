// The brief's task 10 as it is usually written, on Kue.
const express = require('express');
const kue = require('kue');
const { createClient } = require('redis');

const client = createClient({ url: process.env.REDIS_URL });
const queue = kue.createQueue({ redis: process.env.REDIS_URL });
let reservationEnabled = true;

const reserveSeat = (number) => client.set('available_seats', number);
const getCurrentAvailableSeats = () => client.get('available_seats');

const app = express();

app.get('/available_seats', async (req, res) => {
  res.json({ numberOfAvailableSeats: await getCurrentAvailableSeats() });
});

app.get('/reserve_seat', (req, res) => {
  if (!reservationEnabled) return res.json({ status: 'Reservation are blocked' });
  const job = queue.create('reserve_seat').save((error) => {
    res.json({ status: error ? 'Reservation failed' : 'Reservation in process' });
  });
  job.on('complete', () => console.log(`Seat reservation job ${job.id} completed`));
  job.on('failed', (message) => console.log(`Seat reservation job ${job.id} failed: ${message}`));
  return undefined;
});

app.get('/process', (req, res) => {
  res.json({ status: 'Queue processing' });
  queue.process('reserve_seat', async (job, done) => {
    const seats = Number(await getCurrentAvailableSeats()) - 1;
    await reserveSeat(seats);
    if (seats === 0) reservationEnabled = false;
    done(seats >= 0 ? undefined : new Error('Not enough seats available'));
  });
});

client.connect().then(() => reserveSeat(50)).then(() => app.listen(process.env.PORT, '127.0.0.1'));
