import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';

const program = path.resolve(import.meta.dirname, '../postern-server.ts');
/** The service's own answer to a Host that it does not serve: enough to know that it answers. */
const unknownHost = 404;
const host = 'login.sockets.test';

/**
 * What systemd does for postern.socket: binds the ports once, hands them to the service as descriptors from 3 on, and
 * starts it again whenever it ends. Says the process id of each start.
 */
const socketHolder = `
use Socket; $| = 1; $^F = 99; my @held; my $ports = shift @ARGV;
for my $port (split /,/, $ports) {
  socket(my $socket, PF_INET, SOCK_STREAM, 0); setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
  bind($socket, sockaddr_in($port, INADDR_LOOPBACK)) or die "$port: $!"; listen($socket, 128); push @held, $socket;
}
$SIG{TERM} = sub { exit 0 };
while (1) {
  my $child = fork;
  if (!$child) { $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = @held; exec @ARGV }
  print "started $child\\n"; waitpid($child, 0);
}`;

test('a restart under systemd refuses no connection', { timeout: 300_000 }, async t => {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-sockets-'));
  const config = path.join(folder, 'postern.yaml');
  const [https, http, health] = await freePorts(3);
  const made = spawnSync(process.execPath, [
    ...[
      program,
      'init',
      '--domain',
      'sockets.test',
      '--certificates',
      'local',
      '--config',
      config,
      '--data',
      folder,
    ],
    ...['--https', `127.0.0.1:${https}`, '--http', `127.0.0.1:${http}`, '--private', `127.0.0.1:${health}`],
  ]);
  assert.equal(made.status, 0, String(made.stderr));
  const parameters = [process.execPath, program, 'serve', '--config', config];
  const holder = spawn('perl', ['-e', socketHolder, '--', `${https},${http},${health}`, ...parameters], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const starts = startsOf(holder);
  let service = 0;
  t.after(() => {
    holder.kill('SIGTERM');
    if (service !== 0) process.kill(service, 'SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  });

  service = await starts.next();
  assert.equal(await statusOf(http), unknownHost);
  // The one was taken before the other, whose handshake has ended; neither has asked for anything yet.
  const ca = readFileSync(path.join(folder, 'certificates', 'local-ca.pem'));
  const taken = connect(https, '127.0.0.1');
  await once(taken, 'connect');
  const agreed = tls.connect({ host: '127.0.0.1', port: https, servername: host, ca });
  await once(agreed, 'secureConnect');
  process.kill(service, 'SIGTERM');
  await starts.said('service stops');
  const late = tls.connect({ socket: taken, servername: host, ca });
  for (const socket of [agreed, late]) socket.write(`GET /robots.txt HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  for (const socket of [agreed, late]) assert.match(await text(socket), /^HTTP\/1\.1 \d/);
  service = await starts.next();
  // Nobody listens at this moment but the socket is there, and the connection waits for the new process.
  assert.equal(await statusOf(http), unknownHost);
  assert.match(await (await fetch(`http://127.0.0.1:${health}/health`)).text(), /"ok"/);

  const holderEnded = once(holder, 'exit');
  holder.kill('SIGTERM');
  await holderEnded;
  process.kill(service, 'SIGTERM');
  while (isRunning(service)) await delay(50);
  service = 0;
});

function startsOf(holder: ChildProcess): { next(): Promise<number>; said(wanted: string): Promise<void> } {
  let said = '';
  let seen = 0;
  holder.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  return {
    async next() {
      seen += 1;
      for (;;) {
        // The service logs to the same pipe.
        const started = [...said.matchAll(/^started (\d+)$/gm)];
        if (started.length >= seen) return Number(started[seen - 1][1]);
        assert.equal(holder.exitCode, null);
        await delay(20);
      }
    },
    async said(wanted) {
      while (!said.includes(wanted)) await delay(20);
    },
  };
}

async function statusOf(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/`, {
    redirect: 'manual',
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(120_000),
  });
  return answer.status;
}

function isRunning(processId: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${processId}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map(server => once(server, 'listening')));
  const ports = servers.map(server => (server.address() as { port: number }).port);
  await Promise.all(servers.map(server => once(server.close(), 'close')));
  return ports;
}
