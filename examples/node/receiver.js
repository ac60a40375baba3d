// A webhook receiver behind Sealpost, with nothing but Node's standard library.
//
// No signature is checked here: the gateway has done it. Listen only where the gateway reaches this, never on a public
// address.
//
//     node receiver.js [PORT]
"use strict";
const http = require("node:http");

const server = http.createServer((request, response) => {
  const answer = (status, value) => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(value));
  };
  const parts = [];
  request.on("data", (part) => parts.push(part)); // at most what the gateway's `body` allows
  request.on("end", () => {
    const body = Buffer.concat(parts);
    const header = (name) => request.headers[name] ?? "-";
    try {
      JSON.parse(body);
    } catch {
      return answer(422, { error: "not JSON" });
    }
    // Do the work here, then answer. 2xx means done: the gateway will not send this event again.
    // Anything else means the sender's retry is welcome.
    console.log(
      `${header("sealpost-event-type")} ${header("sealpost-event-id")}, ` +
        `attempt ${header("sealpost-attempt")}, ${body.length} bytes`,
    );
    answer(200, { received: true });
  });
});

server.listen(Number(process.argv[2] ?? 3000), "127.0.0.1", () => {
  console.log(`listening on 127.0.0.1:${server.address().port}`);
});
