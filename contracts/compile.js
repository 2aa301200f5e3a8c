// Compiles the contract: node compile.js > LedgerAnchor.json, with the solc that package-lock.json pins.
const fs = require("fs");
const path = require("path");
const solc = require("solc");

const settings = {
  evmVersion: "paris",
  metadata: { bytecodeHash: "none", appendCBOR: false },
  optimizer: { enabled: true, runs: 200 },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
};
const name = "LedgerAnchor";
const source = fs.readFileSync(path.join(process.argv[2] || __dirname, `${name}.sol`), "utf8");
const input = { language: "Solidity", sources: { [`${name}.sol`]: { content: source } }, settings };
const output = JSON.parse(solc.compile(JSON.stringify(input)));
const faults = output.errors || [];
faults.forEach((fault) => console.error(fault.formattedMessage));
if (faults.length) process.exit(1);
const made = output.contracts[`${name}.sol`][name];
const artefact = {
  name,
  compiler: solc.version(),
  settings: { ...settings, outputSelection: undefined },
  abi: made.abi,
  bytecode: `0x${made.evm.bytecode.object}`,
};
process.stdout.write(JSON.stringify(artefact, null, 1) + "\n");
