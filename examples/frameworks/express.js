// Express. It listens on the loopback: only the gateway reaches it.
const express = require("express");

const app = express();
app.use(express.json({ limit: "5mb" })); // no raw body is needed any more

app.post("/webhooks/:sender", async (request, response) => {
  const eventId = request.get("sealpost-event-id");
  console.log(request.get("sealpost-event-type"), eventId, request.body);
  response.json({ received: true });
});

app.listen(3000, "127.0.0.1");
