// Asks Sigstore's verifier, as npm itself ships it, about checkpoints and inclusion proofs.
//
// Reads from standard input {"vkey": …, "proofs": [{"checkpoint": …, "index": …, "hashes": [base64, …], "entry": base64}, …]},
// writes a list with one answer a proof: null where it holds, else what Sigstore says is wrong.
"use strict";

const crypto = require("node:crypto");
const { readFileSync } = require("node:fs");
const { verifyCheckpoint } = require("@sigstore/verify/dist/tlog/checkpoint.js");
const { verifyMerkleInclusion } = require("@sigstore/verify/dist/tlog/merkle.js");

// What RFC 8410 puts before the 32 bytes of an Ed25519 key.
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

// Sigstore finds a log's key by the hint and by the log's URL, which must contain the name of the key.
function authority(vkey) {
  const [name, hint] = vkey.split("+", 2);
  const key = Buffer.from(vkey.slice(name.length + hint.length + 2), "base64");
  return {
    baseURL: name,
    logID: Buffer.from(hint, "hex"),
    publicKey: crypto.createPublicKey({ key: Buffer.concat([SPKI, key.subarray(1)]), format: "der", type: "spki" }),
  };
}

function findFault(log, { checkpoint, index, hashes, entry }) {
  const asked = {
    canonicalizedBody: Buffer.from(entry, "base64"),
    inclusionProof: {
      checkpoint: { envelope: checkpoint },
      hashes: hashes.map((hash) => Buffer.from(hash, "base64")),
      logIndex: String(index),
    },
  };
  try {
    verifyMerkleInclusion(asked, verifyCheckpoint(asked, [log]));
    return null;
  } catch (error) {
    // Only a refusal is an answer; anything else is a fault of this script and must not pass for one.
    if (error.code !== "TLOG_INCLUSION_PROOF_ERROR") throw error;
    return error.message;
  }
}

const { vkey, proofs } = JSON.parse(readFileSync(0, "utf8"));
const log = authority(vkey);
process.stdout.write(JSON.stringify(proofs.map((proof) => findFault(log, proof))) + "\n");
