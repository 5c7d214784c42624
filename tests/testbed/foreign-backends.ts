import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { end, freePorts } from './testbed.ts';

/** A web server that none of us wrote, as a process of its own. */
export interface ForeignBackend extends AsyncDisposable {
  readonly url: string;
}

/**
 * Debian's nginx with its own welcome page at `/`, the listing that it makes of noVNC's files at `/files/`, and what
 * `downloads` holds at `/downloads/`.
 */
export async function startNginx(downloads: string): Promise<ForeignBackend> {
  const [port] = await freePorts(1);
  return runNginx(
    mkdtempSync(path.join(tmpdir(), 'postern-nginx-')),
    port,
    `
    root /usr/share/nginx/html;
    location /files/ { alias /usr/share/novnc/; autoindex on; }
    location /downloads/ { alias ${downloads}/; default_type application/octet-stream; }`,
  );
}

/**
 * Debian's nginx with one server; its folder is removed with it.
 *
 * @param server Directives of that server.
 * @param modules Directives that load modules.
 */
export async function runNginx(
  folder: string,
  port: number,
  server: string,
  modules = '',
): Promise<ForeignBackend> {
  mkdirSync(path.join(folder, 'logs'));
  const config = path.join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    config,
    `${modules}
${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/logs/error.log;
events {}
http {
  include /etc/nginx/mime.types;
  access_log off;
  ${temporary.map(name => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    ${server}
  }
}
`,
  );
  const nginx = spawn('/usr/sbin/nginx', ['-p', folder, '-c', config], { stdio: 'ignore' });
  return ready(nginx, port, () => rmSync(folder, { recursive: true, force: true }));
}

/** Debian's websockify, which serves noVNC's pages and carries WebSockets to a VNC server. */
export async function startWebsockify(vncPort: number): Promise<ForeignBackend> {
  const [port] = await freePorts(1);
  const websockify = spawn(
    'websockify',
    ['--web', '/usr/share/novnc', `127.0.0.1:${port}`, `127.0.0.1:${vncPort}`],
    { stdio: 'ignore' },
  );
  return ready(websockify, port, () => {});
}

/** Waits until a server accepts connections on a port; where it never does, throws and cleans up. */
export async function ready(child: ChildProcess, port: number, cleanUp: () => void): Promise<ForeignBackend> {
  const dispose = async () => {
    await end(child);
    cleanUp();
  };
  for (let attempt = 0; attempt < 600; attempt++) {
    if (await accepts(port)) return { url: `http://127.0.0.1:${port}/`, [Symbol.asyncDispose]: dispose };
    if (child.exitCode !== null) break;
    await delay(50);
  }
  await dispose();
  throw new Error(`${child.spawnargs.join(' ')} does not accept connections`);
}

async function accepts(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
