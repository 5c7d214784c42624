import { readdirSync, readFileSync } from 'node:fs';

// What the kernel reports times in (USER_HZ); it is 100 on every Linux that Node supports.
const ticksPerSecond = 100;

/** User and system seconds that processes and all their living descendants have used so far. */
export function cpuSeconds(pids: readonly number[]): number {
  return family(pids).reduce((sum, entry) => sum + entry.cpuTicks, 0) / ticksPerSecond;
}

/** The processes and all their living descendants. */
export function familyOf(pids: readonly number[]): number[] {
  return family(pids).map(entry => entry.pid);
}

/** Resident memory of one process, without its descendants, in bytes. */
export function ownResidentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return match === null ? 0 : Number(match[1]) * 1024;
}

/**
 * Watches the resident memory of processes while `work` is under way.
 *
 * @returns By how many bytes each rose above what it was at the beginning, at most.
 */
export async function residentRises(
  pids: readonly number[],
  work: () => Promise<unknown>,
): Promise<number[]> {
  const before = pids.map(ownResidentBytes);
  const highest = [...before];
  const look = () => {
    for (const [index, pid] of pids.entries())
      highest[index] = Math.max(highest[index]!, ownResidentBytes(pid));
  };
  const timer = setInterval(look, 100);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return highest.map((bytes, index) => bytes - before[index]!);
}

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly cpuTicks: number;
}

function family(pids: readonly number[]): ProcessEntry[] {
  const wanted = new Set(pids);
  const all = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(name => readEntry(Number(name)))
    .filter(entry => entry !== null);
  for (let size = 0; size !== wanted.size; ) {
    size = wanted.size;
    for (const entry of all) if (wanted.has(entry.parent)) wanted.add(entry.pid);
  }
  return all.filter(entry => wanted.has(entry.pid));
}

// proc(5): what follows the name in brackets, which may hold anything, begins with the third field.
function readEntry(pid: number): ProcessEntry | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { pid, parent: Number(fields[1]), cpuTicks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return null;
  }
}
