import { execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ForeignBackend, ready, runNginx } from './foreign-backends.ts';
import { freePorts } from './testbed.ts';

/** Debian's uid and gid of the user `www-data`, below which Apache insists to run where root starts it. */
const wwwData = 33;
const isRoot = process.getuid?.() === 0;

/** Debian's Apache with mod_dav: a folder that WebDAV clients read, write and lock. */
export async function startWebDav(): Promise<ForeignBackend> {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-apache-'));
  const files = path.join(folder, 'files');
  mkdirSync(files);
  if (isRoot) for (const owned of [folder, files]) chownSync(owned, wwwData, wwwData);
  const [port] = await freePorts(1);
  const modules = 'mpm_event authz_core dav dav_fs dav_lock'.split(' ');
  const config = path.join(folder, 'apache.conf');
  writeFileSync(
    config,
    `ServerRoot ${folder}
ServerName 127.0.0.1
Listen 127.0.0.1:${port}
PidFile ${folder}/apache.pid
ErrorLog ${folder}/error.log
${modules.map(name => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
User www-data
Group www-data
DocumentRoot ${files}
DavLockDB ${folder}/locks
LimitRequestBody 0
<Directory ${files}>
  Require all granted
  Dav On
</Directory>
`,
  );
  const apache = spawn('/usr/sbin/apache2', ['-f', config, '-DFOREGROUND'], { stdio: 'ignore' });
  return ready(apache, port!, () => rmSync(folder, { recursive: true, force: true }));
}

/** A user of applications that check names and passwords by themselves. */
export const ownAccount = { username: 'clara', password: 'a word of the application' } as const;

/** Debian's Radicale: calendars and address books (CalDAV, CardDAV) behind Basic authentication of its own. */
export async function startRadicale(): Promise<ForeignBackend> {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-radicale-'));
  const passwords = path.join(folder, 'passwords');
  writeFileSync(passwords, `${ownAccount.username}:${ownAccount.password}\n`);
  const [port] = await freePorts(1);
  const config = path.join(folder, 'radicale.conf');
  writeFileSync(
    config,
    `[server]
hosts = 127.0.0.1:${port}
[auth]
type = htpasswd
htpasswd_filename = ${passwords}
htpasswd_encryption = plain
delay = 0
[storage]
filesystem_folder = ${folder}/collections
`,
  );
  const radicale = spawn('/usr/bin/radicale', ['--config', config], { stdio: 'ignore' });
  return ready(radicale, port!, () => rmSync(folder, { recursive: true, force: true }));
}

/** Address of a server that keeps git repositories, and the folder in which they are. */
export interface GitServer extends ForeignBackend {
  readonly repositories: string;
}

/**
 * Debian's cgit at `/` and git's own server at `/git/`, behind Debian's nginx; `name.git` is one repository that
 * everybody may push to. cgit writes absolute addresses of its own host into its pages.
 */
export async function startGitServer(name: string): Promise<GitServer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-git-'));
  const repositories = path.join(folder, 'repositories');
  const bare = path.join(repositories, `${name}.git`);
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch', 'main', bare]);
  execFileSync('git', ['-C', bare, 'config', 'http.receivepack', 'true']);
  const [port] = await freePorts(1);
  const cgitConfig = path.join(folder, 'cgitrc');
  writeFileSync(
    cgitConfig,
    `virtual-root=/
css=/cgit-files/cgit.css
logo=/cgit-files/cgit.png
favicon=
clone-prefix=http://127.0.0.1:${port}/git
scan-path=${repositories}
`,
  );
  const fastCgi = path.join(folder, 'fcgiwrap.socket');
  const fcgiwrap = spawn('/usr/sbin/fcgiwrap', ['-s', `unix:${fastCgi}`], { stdio: 'ignore' });
  const nginx = await runNginx(
    folder,
    port!,
    `
    location /cgit-files/ { alias /usr/share/cgit/; }
    location /git/ {
      client_max_body_size 0;
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
      fastcgi_param GIT_PROJECT_ROOT ${repositories};
      fastcgi_param GIT_HTTP_EXPORT_ALL "";
      fastcgi_split_path_info ^(/git)(/.*)$;
      fastcgi_param PATH_INFO $fastcgi_path_info;
      fastcgi_pass unix:${fastCgi};
    }
    location / {
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME /usr/lib/cgit/cgit.cgi;
      fastcgi_param CGIT_CONFIG ${cgitConfig};
      fastcgi_param PATH_INFO $uri;
      fastcgi_pass unix:${fastCgi};
    }`,
  );
  return {
    url: nginx.url,
    repositories,
    async [Symbol.asyncDispose]() {
      fcgiwrap.kill();
      await nginx[Symbol.asyncDispose]();
    },
  };
}

/**
 * Debian's nginx with its module Nchan and a film: what is posted to `/publish` comes to everybody who listens to the
 * event stream `/events`; `files` are at `/files/`.
 */
export async function startNchan(files: string): Promise<ForeignBackend> {
  const [port] = await freePorts(1);
  return runNginx(
    mkdtempSync(path.join(tmpdir(), 'postern-nchan-')),
    port!,
    `
    location = / { return 200 'Nchan'; }
    location = /publish { nchan_publisher; nchan_channel_id news; }
    location = /events { nchan_subscriber eventsource; nchan_channel_id news; }
    location /files/ { alias ${files}/; types { audio/wav wav; } }`,
    'load_module /usr/lib/nginx/modules/ngx_nchan_module.so;',
  );
}

/** Debian's Shell In A Box: a terminal in a page, over requests that wait for output. */
export async function startShellInABox(): Promise<ForeignBackend> {
  const [port] = await freePorts(1);
  const who = `${process.getuid!()}:${process.getgid!()}`;
  const shell = spawn(
    '/usr/bin/shellinaboxd',
    [
      '--disable-ssl',
      '--localhost-only',
      '--no-beep',
      '--port',
      String(port),
      '--service',
      `/:${who}:/tmp:/bin/sh`,
    ],
    { stdio: 'ignore' },
  );
  return ready(shell, port!, () => {});
}

/** Debian's Transmission: a single-page application that refuses names of hosts that it does not know. */
export async function startTransmission(): Promise<ForeignBackend> {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-transmission-'));
  const [port, peerPort] = await freePorts(2);
  const transmission = spawn(
    '/usr/bin/transmission-daemon',
    [
      ...['--foreground', '--config-dir', folder, '--download-dir', folder, '--no-incomplete-dir'],
      ...['--port', String(port), '--rpc-bind-address', '127.0.0.1', '--no-auth', '--allowed', '127.0.0.1'],
      ...['--peerport', String(peerPort), '--bind-address-ipv4', '127.0.0.1', '--no-portmap'],
      ...['--no-dht', '--no-lpd', '--no-utp'],
    ],
    { stdio: 'ignore' },
  );
  return ready(transmission, port!, () => rmSync(folder, { recursive: true, force: true }));
}

/** Debian's aria2: downloads files, and takes its orders over a WebSocket. */
export async function startAria2(): Promise<ForeignBackend> {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-aria2-'));
  const [port] = await freePorts(1);
  const parameters = ['--no-conf', '--enable-rpc', `--rpc-listen-port=${port}`, `--dir=${folder}`];
  const aria2 = spawn('/usr/bin/aria2c', [...parameters, '--enable-dht=false', '--quiet'], {
    stdio: 'ignore',
  });
  return ready(aria2, port!, () => rmSync(folder, { recursive: true, force: true }));
}

/**
 * Debian's Fossil: a repository with wiki and tickets for {@link ownAccount}, which signs people in with cookies of its
 * own and builds its addresses from `Host`.
 */
export async function startFossil(): Promise<ForeignBackend> {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-fossil-'));
  const repository = path.join(folder, 'project.fossil');
  const environment = { ...process.env, HOME: folder, USER: ownAccount.username };
  for (const parameters of [
    ['init', '--admin-user', ownAccount.username, repository],
    ['user', 'password', ownAccount.username, ownAccount.password, '-R', repository],
  ]) {
    execFileSync('/usr/bin/fossil', parameters, { env: environment, stdio: 'ignore' });
  }
  const [port] = await freePorts(1);
  const fossil = spawn('/usr/bin/fossil', ['server', '--localhost', '--port', String(port), repository], {
    env: environment,
    stdio: 'ignore',
  });
  return ready(fossil, port!, () => rmSync(folder, { recursive: true, force: true }));
}

/** Debian's Monit: Basic authentication, and forms that only a token in a cookie makes good. */
export async function startMonit(): Promise<ForeignBackend> {
  const folder = mkdtempSync(path.join(tmpdir(), 'postern-monit-'));
  const [port] = await freePorts(1);
  const config = path.join(folder, 'monitrc');
  writeFileSync(
    config,
    `set daemon 3600
set pidfile ${folder}/pid
set idfile ${folder}/id
set statefile ${folder}/state
set httpd port ${port} and use address 127.0.0.1
  allow ${ownAccount.username}:"${ownAccount.password}"
check file notes with path ${config}
`,
    { mode: 0o600 },
  );
  const monit = spawn('/usr/bin/monit', ['-I', '-c', config], { stdio: 'ignore' });
  return ready(monit, port!, () => rmSync(folder, { recursive: true, force: true }));
}
