// Pushes the lines of standard input with one of the clients: send.js winston-protobuf|winston-json|pino URL JOB FIRST_MS
// Line i has the time FIRST_MS + i milliseconds.
const [client, url, job, firstMs] = process.argv.slice(2);
const input = require('fs').readFileSync(0);
const lines = input.toString('utf8').split('\n');
if (lines[lines.length - 1] === '') lines.pop();
const first = Number(firstMs);

async function winston(json) {
  const { createLogger, format } = require('winston');
  const Loki = require('winston-loki');
  const transport = new Loki({
    host: url, json, labels: { job }, interval: 0.2, replaceTimestamp: false, batching: true,
    gracefulShutdown: false, format: format.printf((info) => info.message),
    onConnectionError: (error) => { console.error(error); process.exitCode = 1; },
  });
  const logger = createLogger({ transports: [transport] });
  lines.forEach((line, i) => logger.log({ level: 'info', message: line, timestamp: new Date(first + i).toISOString() }));
  await new Promise((resolve) => setTimeout(resolve, 300));
  await transport.flush();
  await transport.close();
}

async function pino() {
  let at = 0;
  const { pinoLoki } = await import('pino-loki');
  const transport = pinoLoki({ host: url, labels: { job }, batching: true, interval: 0.2 });
  const logger = require('pino')({ timestamp: () => `,"time":${first + at++}` }, transport);
  lines.forEach((line) => logger.info(line));
  transport.end();
  await new Promise((resolve) => transport.on('close', resolve));
}

const clients = { 'winston-protobuf': () => winston(false), 'winston-json': () => winston(true), pino };
clients[client]().catch((error) => { console.error(error); process.exit(1); });
