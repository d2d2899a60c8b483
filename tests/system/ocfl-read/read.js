// SPDX-License-Identifier: GPL-3.0-or-later
//
// Reads every object of an OCFL storage root with the library @ocfl/ocfl-fs (which is not ours) and digests every file again.
// The library finds the objects, maps ids to paths by the root's own layout, checks inventories against their sidecars, and
// gives the bytes. Prints one JSON line: {"objects": n, "files": n, "bytes": n, "ids": [...]}; ends 1 at the first thing wrong.
"use strict";

const crypto = require("node:crypto");
const path = require("node:path");
const ocfl = require("@ocfl/ocfl-fs");

async function digestOf(file, algorithm) {
  const hash = crypto.createHash(algorithm);
  let bytes = 0;
  for await (const chunk of await file.stream()) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { hex: hash.digest("hex"), bytes };
}

// SM3 stands in the fixity block; this Node's OpenSSL may lack it.
async function checkFixity(object, inventory) {
  for (const [algorithm, block] of Object.entries(inventory.fixity ?? {})) {
    if (!crypto.getHashes().map((h) => h.toLowerCase()).includes(algorithm)) continue;
    for (const [digest, paths] of Object.entries(block)) {
      for (const contentPath of paths) {
        const { hex } = await digestOf(object.getFile({ contentPath }), algorithm);
        if (hex !== digest) throw new Error(`${object.root}/${contentPath}: ${algorithm} is ${hex}, not ${digest}`);
      }
    }
  }
}

async function readObject(storage, object, totals) {
  const inventory = await object.getInventory();
  if (!inventory) throw new Error(`${object.root}: no inventory`);
  if (storage.objectRoot(inventory.id) !== path.relative(storage.root, object.root))
    throw new Error(`${object.root}: ${inventory.id} belongs in ${storage.objectRoot(inventory.id)}`);
  const names = [];
  for (const file of await object.files()) {
    const { hex, bytes } = await digestOf(file, inventory.digestAlgorithm);
    if (hex !== file.digest) throw new Error(`${object.root}: ${file.logicalPath} is ${hex}, not ${file.digest}`);
    names.push(file.logicalPath);
    totals.files += 1;
    totals.bytes += bytes;
  }
  if (names.length !== 2 || !names.includes("arrival.json"))
    throw new Error(`${object.root}: has ${JSON.stringify(names)}, not one recording and arrival.json`);
  await checkFixity(object, inventory);
  totals.objects += 1;
  totals.ids.push(inventory.id);
}

async function main(root) {
  const storage = ocfl.storage({ root });
  const totals = { objects: 0, files: 0, bytes: 0, ids: [] };
  await storage.load();
  for await (const object of storage) await readObject(storage, object, totals);
  console.log(JSON.stringify(totals));
}

if (process.argv.length !== 3) {
  console.error("usage: node read.js STORAGE_ROOT");
  process.exit(2);
}
main(process.argv[2]).catch((e) => {
  console.error(String(e.message ?? e));
  process.exit(1);
});
