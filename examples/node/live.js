// The live stream in Node.js: npm install, then node live.js [ENDPOINT] [--server-key FILE --key FILE]
const { readFileSync } = require("node:fs");
const { parseArgs } = require("node:util");
const zmq = require("zeromq");

const text = { type: "string" };
const { values, positionals } = parseArgs({ allowPositionals: true, options: { "server-key": text, key: text } });

function word(file, number) {
  return readFileSync(file, "utf8").split(/\s+/)[number];
}

async function main() {
  const socket = new zmq.Subscriber();
  if (values.key) {
    socket.curveServerKey = word(values["server-key"], 0); // KEY NAME
    socket.curveSecretKey = word(values.key, 1); // private-key KEY
    socket.curvePublicKey = word(`${values.key}.pub`, 0);
  }
  socket.connect(positionals[0] || "ipc:///run/telemetry-logger/samples");
  socket.subscribe("sample/");
  for await (const [topic, body] of socket) {
    const sample = JSON.parse(body);
    console.log(topic.toString(), sample.seq, sample.cpu.total, sample.battery && sample.battery.power);
  }
}

main();
