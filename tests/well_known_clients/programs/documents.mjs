// MongoDB's own driver and Mongoose: indexes, changes, aggregation, cursors.

import {strict as assert} from "node:assert";
import {MongoClient} from "mongodb";
import mongoose from "mongoose";

const client = await MongoClient.connect(process.env.MONGO_URL);
const things = client.db("clients").collection("things");
await things.createIndex({name: 1}, {unique: true});
assert.deepEqual((await things.indexes()).map(each => each.name).toSorted(), ["_id_", "name_1"]);
await things.insertMany(Array.from({length: 250}, (_, n) => ({name: `n${n}`, n})));
await assert.rejects(things.insertOne({name: "n1"}), {code: 11000});
assert.equal((await things.find({n: {$gte: 100}}).batchSize(40).toArray()).length, 150);
assert.equal((await things.findOneAndUpdate({name: "n1"}, {$inc: {n: 5}}, {returnDocument: "after"})).n, 6);
const [{total}] = await things.aggregate([{$match: {n: {$lt: 3}}}, {$group: {_id: null, total: {$sum: "$n"}}}]).toArray();
assert.equal(total, 2);
assert.deepEqual((await client.db("clients").listCollections().toArray()).map(each => each.name), ["things"]);
await client.close();

await mongoose.connect(process.env.MONGO_URL, {dbName: "clients"});
const Cat = mongoose.model("Cat", new mongoose.Schema({name: {type: String, index: true}, lives: Number}));
await Cat.syncIndexes();
const cat = await Cat.create({name: "Tom", lives: 9});
cat.lives -= 1;
await cat.save();
assert.equal((await Cat.findOne({name: "Tom"})).lives, 8);
assert.equal(await Cat.countDocuments({lives: {$gt: 1}}), 1);
await Cat.deleteOne({_id: cat._id});
await mongoose.disconnect();
