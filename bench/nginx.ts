import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { canConnect, freePort, type Workplace } from './programs.ts';

// One worker each: CPU per request is what is compared, and one is where nginx spends the least of it.
const common = `
worker_processes 1;
daemon off;
error_log stderr error;
events { worker_connections 4096; }
`;

const http = `
  access_log off;
  sendfile on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_max_body_size 0;
`;

/** An nginx and where it listens. */
export interface Nginx {
  readonly port: number;
  readonly pid: number;
}

/**
 * The private web server that everything is measured in front of: one file of 1 KB, over plain HTTP, at `/small`; and at
 * `/cookie/small` with a cookie.
 */
export async function startSmallBackend(workplace: Workplace): Promise<Nginx> {
  const root = path.join(workplace.folder, 'www');
  mkdirSync(root);
  writeFileSync(path.join(root, 'small'), 'x'.repeat(1024));
  const port = await freePort();
  return start(
    workplace,
    port,
    `server {
    listen 127.0.0.1:${port};
    root ${root};
    location /cookie/ { alias ${root}/; add_header Set-Cookie "sid=0123456789abcdef; Path=/; SameSite=Lax"; }
  }`,
  );
}

export interface ReverseProxyOptions {
  /** Port of the backend on the loopback. */
  readonly backend: number;
  readonly certificate: { readonly certFile: string; readonly keyFile: string };
}

/** nginx as TLS reverse proxy (HTTP/1.1 and HTTP/2) with kept-alive connections to the backend. */
export async function startReverseProxy(
  workplace: Workplace,
  { backend, certificate }: ReverseProxyOptions,
): Promise<Nginx> {
  const port = await freePort();
  const server = `
  upstream backend { server 127.0.0.1:${backend}; keepalive 512; keepalive_requests 1000000000; }
  map $http_upgrade $connection_field { default upgrade; '' ''; }
  server {
    listen 127.0.0.1:${port} ssl http2 backlog=4096;
    ssl_certificate ${certificate.certFile};
    ssl_certificate_key ${certificate.keyFile};
    ssl_protocols TLSv1.2 TLSv1.3;
    http2_max_concurrent_streams 1000;
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection $connection_field;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto https;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
    }
  }`;
  return start(workplace, port, server);
}

async function start(workplace: Workplace, port: number, server: string): Promise<Nginx> {
  const prefix = path.join(workplace.folder, `nginx-${port}`);
  mkdirSync(path.join(prefix, 'tmp'), { recursive: true });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `  ${name}_temp_path ${prefix}/tmp/${name};`)
    .join('\n');
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const text = `${user}${common}pid ${prefix}/pid;\nhttp {${http}${temporary}\n${server}\n}\n`;
  const file = path.join(prefix, 'nginx.conf');
  writeFileSync(file, text);
  const command = ['nginx', '-p', prefix, '-e', 'stderr', '-c', file];
  await workplace.run([...command, '-t', '-q']);
  const program = workplace.start(command);
  await program.until(() => canConnect(port));
  return { port, pid: program.pid };
}
