// The brief's task 9 as it is usually written: looking and reserving are two steps, so it oversells.
const express = require('express');
const { createClient } = require('redis');

const listProducts = [
  { itemId: 1, itemName: 'Suitcase 250', price: 50, initialAvailableQuantity: 4 },
  { itemId: 2, itemName: 'Suitcase 450', price: 100, initialAvailableQuantity: 10 },
  { itemId: 3, itemName: 'Suitcase 650', price: 350, initialAvailableQuantity: 2 },
  { itemId: 4, itemName: 'Suitcase 1050', price: 550, initialAvailableQuantity: 5 },
];

const client = createClient({ url: process.env.REDIS_URL });
const getItemById = (id) => listProducts.find((item) => item.itemId === id);
const reserveStockById = (itemId, stock) => client.set(`item.${itemId}`, stock);
const getCurrentReservedStockById = async (itemId) => Number(await client.get(`item.${itemId}`));

const app = express();

app.get('/list_products', (req, res) => res.json(listProducts));

app.get('/list_products/:itemId', async (req, res) => {
  const item = getItemById(Number(req.params.itemId));
  if (!item) return res.json({ status: 'Product not found' });
  const reserved = await getCurrentReservedStockById(item.itemId);
  return res.json({ ...item, currentQuantity: item.initialAvailableQuantity - reserved });
});

app.get('/reserve_product/:itemId', async (req, res) => {
  const item = getItemById(Number(req.params.itemId));
  if (!item) return res.json({ status: 'Product not found' });
  const reserved = await getCurrentReservedStockById(item.itemId);
  if (reserved >= item.initialAvailableQuantity) {
    return res.json({ status: 'Not enough stock available', itemId: item.itemId });
  }
  await reserveStockById(item.itemId, reserved + 1);
  return res.json({ status: 'Reservation confirmed', itemId: item.itemId });
});

client.connect().then(() => app.listen(process.env.PORT, '127.0.0.1'));
