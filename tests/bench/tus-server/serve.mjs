// SPDX-License-Identifier: GPL-3.0-or-later
// @tus/server with its file store: serve.mjs FOLDER PORT. Prints "ready" when it listens.
import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";

const [folder, port] = process.argv.slice(2);
const server = new Server({ path: "/tus", datastore: new FileStore({ directory: folder }) });
server.listen({ host: "127.0.0.1", port: Number(port) }, () => console.log("ready"));
