import { runCommandLine } from './command-line.ts';

// The program: bin/postern-connector.mjs, after its look at the version of Node, imports this and nothing else.
process.exitCode = await runCommandLine(process.argv.slice(2));
