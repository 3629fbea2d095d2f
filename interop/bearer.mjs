// The conformance suite has no option for a token. Preloaded into it
// (node --import), this adds $TOKEN to each of its requests, whichever of
// Node's two HTTP clients sends them.
import { channel } from "node:diagnostics_channel";

const authorization = `Bearer ${process.env.TOKEN}`;
channel("undici:request:create").subscribe(({ request }) => request.addHeader("authorization", authorization));
channel("http.client.request.created").subscribe(({ request }) => request.setHeader("authorization", authorization));
