/**
 * Processor time that this thread has used, in seconds. Fuzzers are measured by it: beside other work they take longer, and
 * do as much.
 */
export function processorSeconds(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000_000;
}
