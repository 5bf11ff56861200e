/**
 * A sender process of ZoneMTA, as its `services/sender.js` makes one: its Sender, SendingZone, ConnectionPool and plugins.
 * The queue is a stand-in: the real one keeps its messages in MongoDB, and says what is next through the main process.
 *
 * Started by `zone-mta.ts`, with the configuration as an argument. Messages come, and what was done with them goes, as
 * messages of the process.
 */
'use strict';

const { createRequire } = require('node:module');
const { Readable } = require('node:stream');

const ask = createRequire(`${__dirname}/node-programs/package.json`);
const plugins = ask('zone-mta/lib/plugins');
plugins.init('sender');
const { SendingZone } = ask('zone-mta/lib/sending-zone');
const ConnectionPool = ask('zone-mta/lib/connection-pool');
const Sender = ask('zone-mta/lib/sender');
const config = ask('wild-config');
const log = ask('npmlog');

log.level = 'info';

const queue = [];
const bodies = new Map();

/** What the main process answers (`lib/queue-server.js`). */
function sendCommand(command, callback) {
  const { cmd, ...rest } = typeof command === 'string' ? { cmd: command } : command;
  const answer = (response) => setImmediate(() => callback?.(null, response));
  switch (cmd) {
    case 'GET':
      return answer(queue.shift() ?? false);
    case 'RELEASE':
    case 'DEFER':
    case 'BOUNCE':
      process.send({ cmd, ...rest });
      return answer(true);
    default:
      return answer(false);
  }
}

const remoteQueue = { retrieve: (id) => Readable.from([bodies.get(id)]) };
const zone = new SendingZone('default', config.zones.default, false);
const pool = new ConnectionPool(sendCommand);
plugins.handler.queue = remoteQueue;
plugins.handler.load(() => {
  new Sender('test', 1, zone, sendCommand, remoteQueue, pool);
  process.send({ cmd: 'READY', plugins: plugins.handler.loaded.map(({ title }) => title) });
});

process.on('message', ({ delivery, body }) => {
  bodies.set(delivery.id, Buffer.from(body, 'base64'));
  queue.push(delivery);
});
