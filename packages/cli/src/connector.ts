import { runCommandLine } from '@postern/connector/command-line';

// What `postern connector install` makes a service of: the connector's own program, as this package brings it.
process.exitCode = await runCommandLine(process.argv.slice(2));
