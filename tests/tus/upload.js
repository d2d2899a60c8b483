// SPDX-License-Identifier: GPL-3.0-or-later
//
// Uploads one file with tus-js-client and tells what happens as JSON lines: node upload.js '{"modules":…,"file":…,"options":{…}}'
//
//   modules   folder in which the client is installed
//   file      what to send; stdin: true sends standard input with a deferred length instead
//   socket    path of a unix socket, instead of the endpoint's host
//   resume    go on with what the URL storage (options.storage: a file) knows of this file
//   abortAt   after so many bytes were sent, stop as a client does that is closed; the process ends
//   tls       what Node's https wants beside, files by their paths: {"cert", "key"} or {"pfx", "passphrase"}; the site's authority comes
//             by NODE_EXTRA_CA_CERTS
//   patience  so many ms without a byte in either direction, and a connection is given up, as browsers and users do; Node alone never does
//   options   given to tus.Upload as they are; retryDelays "default": the client's own
//
// Lines: {"url"} when there is one, {"chunk": offset} when the server has said that it has so much, {"retry": status}, {"success": headers
// of the last answer} or {"error", "status", "body"} at the end.
"use strict";
const fs = require("fs");
const http = require("http");
const https = require("https");
const path = require("path");

const job = JSON.parse(process.argv[2]);
const tus = require(path.join(job.modules, "node_modules", "tus-js-client"));
const say = (what) => fs.writeSync(1, JSON.stringify(what) + "\n");

const options = { retryDelays: [50, 100, 200, 400, 800, 1600, 3200], ...job.options };
if (job.storage) options.urlStorage = new tus.FileUrlStorage(job.storage);
if (options.retryDelays === "default") delete options.retryDelays;

const request = {};
if (job.socket) request.socketPath = job.socket;
for (const [name, value] of Object.entries(job.tls || {})) request[name] = name === "passphrase" ? value : fs.readFileSync(value);
if (job.patience) {
  request.agent = new (options.endpoint.startsWith("https:") ? https : http).Agent();
  const connect = request.agent.createConnection;
  request.agent.createConnection = function (...args) {
    const socket = connect.apply(this, args);
    return socket.setTimeout(job.patience, () => socket.destroy(new Error("nothing came for " + job.patience + " ms")));
  };
}
if (Object.keys(request).length) options.httpStack = new tus.DefaultHttpStack(request);

let upload = null;
options.onUploadUrlAvailable = () => say({ url: upload.url });
options.onChunkComplete = (size, offset) => say({ chunk: offset });
options.onProgress = (sent) => {
  if (job.abortAt && sent >= job.abortAt) {
    say({ aborted: sent });
    process.exit(3);
  }
};
options.onShouldRetry = (err, attempt, o) => {
  const status = err.originalResponse ? err.originalResponse.getStatus() : 0;
  say({ retry: status });
  return status < 400 || status >= 500 || status === 409 || status === 423; // the client's own rule
};
options.onSuccess = (payload) => {
  const answer = payload.lastResponse;
  say({ success: answer ? answer.getUnderlyingObject().headers : {}, url: upload.url });
};
options.onError = (err) => {
  const answer = err.originalResponse;
  say({ error: String(err), status: answer ? answer.getStatus() : 0, body: answer ? answer.getBody() : "" });
  process.exitCode = 1;
};

upload = new tus.Upload(job.stdin ? process.stdin : fs.createReadStream(job.file), options);
if (job.resume) {
  upload.findPreviousUploads().then((known) => {
    say({ known: known.length });
    if (known.length) upload.resumeFromPreviousUpload(known[0]);
    upload.start();
  });
} else {
  upload.start();
}
