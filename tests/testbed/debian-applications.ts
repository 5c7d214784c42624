import { execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ForeignBackend, ready } from './foreign-backends.ts';
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
  const fcgiwrap = spawn('/usr/sbin/fcgiwrap', ['-c', '2', '-s', `unix:${fastCgi}`], { stdio: 'ignore' });
  const nginx = await startOwnNginx(
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

/** Debian's nginx for one server with some locations; its folder is removed with it. */
async function startOwnNginx(
  folder: string,
  port: number,
  locations: string,
  modules = '',
): Promise<ForeignBackend> {
  mkdirSync(path.join(folder, 'logs'));
  const config = path.join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    config,
    `${modules}
${isRoot ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/logs/error.log;
events {}
http {
  include /etc/nginx/mime.types;
  access_log ${folder}/logs/access.log;
  ${temporary.map(name => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    ${locations}
  }
}
`,
  );
  const nginx = spawn('/usr/sbin/nginx', ['-p', folder, '-c', config], { stdio: 'ignore' });
  return ready(nginx, port, () => rmSync(folder, { recursive: true, force: true }));
}
