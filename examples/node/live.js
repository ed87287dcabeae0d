// The live stream in Node.js: npm install, then node live.js [ENDPOINT]
const zmq = require("zeromq");

async function main() {
  const socket = new zmq.Subscriber();
  socket.connect(process.argv[2] || "ipc:///run/telemetry-logger/samples");
  socket.subscribe("sample/");
  for await (const [topic, body] of socket) {
    const sample = JSON.parse(body);
    console.log(topic.toString(), sample.seq, sample.cpu.total, sample.battery && sample.battery.power);
  }
}

main();
