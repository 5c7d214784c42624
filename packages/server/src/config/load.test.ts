import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { ConfigError, type ConfigProblem, loadConfig, parseConfig } from './load.ts';
import { type OptionNode, optionTree } from './options.ts';
import { configSchema } from './schema.ts';

const usable = { domain: 'access.example.com', certificates: { local: true } };

function problemsOf(act: () => unknown): readonly ConfigProblem[] {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  return [];
}

describe('reading', () => {
  test('a domain and certificates are all that must be said', () => {
    const config = parseConfig(usable);

    assert.equal(config.publicPort, 443);
    assert.deepEqual(config.listen.https, [
      { host: '::', port: 443 },
      { host: '0.0.0.0', port: 443 },
    ]);
    assert.equal(config.runDir, '/var/lib/postern/run');
    assert.equal(config.limits.maxHeadBytes, 65_536);
  });

  test('the environment wins over the file, and the file over the default', t => {
    const folder = mkdtempSync(path.join(tmpdir(), 'postern-config-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = path.join(folder, 'postern.yaml');
    writeFileSync(
      file,
      'domain: a.example\ncertificates: { local: true }\nlimits:\n  maxHeadBytes: 8192\n  maxHeaderFields: 50\n',
    );

    const config = loadConfig(file, {
      POSTERN_DOMAIN: 'b.example',
      POSTERN_LIMITS_MAX_HEADER_FIELDS: '60',
      POSTERN_LOG_ACCESS_LOG: 'true',
      POSTERN_LISTEN_HTTPS: '127.0.0.1:8443, [::1]:8443',
      POSTERN_LISTEN_HTTP: '',
      POSTERN_CERTIFICATES_FILES: '[{"certificateFile":"/a.pem","keyFile":"/a.key"}]',
    });

    assert.equal(config.domain, 'b.example');
    assert.equal(config.limits.maxHeadBytes, 8192);
    assert.equal(config.limits.maxHeaderFields, 60);
    assert.equal(config.log.accessLog, true);
    assert.deepEqual(config.listen.https, [
      { host: '127.0.0.1', port: 8443 },
      { host: '::1', port: 8443 },
    ]);
    assert.deepEqual(config.listen.http, []);
    assert.equal(config.certificates.files[0].keyFile, '/a.key');
  });

  test('a missing file is named with the remedy', () => {
    assert.throws(
      () => loadConfig('/nowhere/postern.yaml', {}),
      /no configuration file \/nowhere\/postern\.yaml\. Run `postern init`/,
    );
  });

  test('broken YAML is named with its line', t => {
    const folder = mkdtempSync(path.join(tmpdir(), 'postern-config-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = path.join(folder, 'postern.yaml');
    writeFileSync(file, 'domain: a.example\nlisten: [\n');

    assert.throws(() => loadConfig(file, {}), /line \d+: this is not valid YAML/);
  });
});

describe('refusing', () => {
  test('every problem is told at once', () => {
    const problems = problemsOf(() =>
      parseConfig({ publicPort: 0, certificates: { local: 'yes' }, log: { level: 'loud' }, listn: {} }),
    );

    assert.deepEqual(problems.map(problem => problem.option).sort(), [
      'certificates.local',
      'domain',
      'listn',
      'log.level',
      'publicPort',
    ]);
  });

  test('an unknown option is refused with the nearest name', () => {
    const [problem] = problemsOf(() => parseConfig({ ...usable, limits: { maxHeadByte: 5000 } }));

    assert.equal(problem.option, 'limits.maxHeadByte');
    assert.match(problem.allowed, /nearest is limits\.maxHeadBytes$/);
  });

  test('an unknown environment variable is refused with the nearest name', () => {
    const [problem] = problemsOf(() => parseConfig(usable, { POSTERN_LIMITS_MAX_HEAD_BYTE: '5000' }));

    assert.match(problem.allowed, /POSTERN_LIMITS_MAX_HEAD_BYTES$/);
  });

  test('a bad value from the environment names the variable', () => {
    const [problem] = problemsOf(() => parseConfig(usable, { POSTERN_DRAIN_MS: 'soon' }));

    assert.deepEqual(problem, {
      option: 'drainMs',
      given: 'soon',
      allowed: 'a whole number from 0 to 3 600 000 ms',
      source: 'POSTERN_DRAIN_MS',
    });
  });

  test('a private key pasted in place of a path is not repeated', () => {
    const key = '-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----\n';

    const problems = problemsOf(() =>
      parseConfig({ ...usable, certificates: { files: [{ certificateFile: '/a.pem', keyFile: key }] } }),
    );

    assert.equal(problems[0].option, 'certificates.files[0].keyFile');
    assert.doesNotMatch(JSON.stringify(problems), /MIGHAgEA/);
  });

  test('two identity fields may not share a name, nor take a name of HTTP', () => {
    assert.equal(
      problemsOf(() => parseConfig({ ...usable, identityHeaders: { user: 'X-A', email: 'x-a' } }))[0].option,
      'identityHeaders',
    );
    assert.equal(
      problemsOf(() => parseConfig({ ...usable, identityHeaders: { user: 'Host' } }))[0].option,
      'identityHeaders.user',
    );
  });

  test('no certificates at all is refused', () => {
    assert.equal(problemsOf(() => parseConfig({ domain: 'a.example' }))[0].option, 'certificates');
  });
});

describe('certificates by ACME', () => {
  const directoryUrl = 'https://acme.example.com/directory';
  const withAcme = (acme: object, listen = {}) => ({ ...usable, listen, certificates: { acme } });

  test('need the terms agreed to, and nothing else', () => {
    parseConfig(withAcme({ directoryUrl, termsAgreed: true }));

    const [problem] = problemsOf(() => parseConfig(withAcme({ directoryUrl })));
    assert.equal(problem.option, 'certificates.acme.termsAgreed');
    assert.match(problem.allowed, /terms of service/);
  });

  test('say which options belong together', () => {
    const agreed = { directoryUrl, termsAgreed: true };
    const cases: [object, string][] = [
      [withAcme({ ...agreed, challenges: ['dns-01'] }), 'certificates.acme.dnsWebhook'],
      [withAcme({ ...agreed, externalAccountKeyId: 'k' }), 'certificates.acme.externalAccountKeyId'],
      [withAcme({ ...agreed, challenges: ['http-01'] }, { http: [] }), 'certificates.acme.challenges'],
      [withAcme({ ...agreed, directoryUrl: 'http://acme.example.com/' }), 'certificates.acme.directoryUrl'],
    ];
    for (const [document, option] of cases) {
      assert.deepEqual(
        problemsOf(() => parseConfig(document)).map(problem => problem.option),
        [option],
      );
    }
  });
});

describe('every option refuses bad values by its own name', () => {
  const badByKind: Readonly<Record<OptionNode['kind'], readonly unknown[]>> = {
    group: ['text', 7, [1]],
    text: [7, true, [], 'not allowed here \u0000'],
    number: ['12', 1.5, -1, 1e15, true, null],
    boolean: ['true', 1, null],
    list: ['text', {}, [7], [null]],
  };

  for (const node of optionTree(configSchema).filter(candidate => !candidate.inList)) {
    for (const bad of badByKind[node.kind]) {
      test(`${node.name}: ${JSON.stringify(bad)}`, () => {
        const document: Record<string, unknown> = structuredClone(usable);
        let target = document;
        for (const key of node.path.slice(0, -1)) {
          target[key] ??= {};
          target = target[key] as Record<string, unknown>;
        }
        target[node.path[node.path.length - 1]] = bad;

        const problems = problemsOf(() => parseConfig(document));

        assert.ok(problems.length > 0, 'accepted');
        for (const problem of problems) {
          assert.ok(
            problem.option === node.name || problem.option.startsWith(`${node.name}[`),
            problem.option,
          );
          assert.ok(problem.allowed.length > 3);
        }
      });
    }
  }
});
