import { argon2Sync, createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { OperateError } from './operate-error.ts';

/** A file inside an archive. */
export interface ArchiveEntry {
  /** What it is: `database`, `configuration`, `master-key`, or `file:` and the absolute path it came from. */
  readonly name: string;
  readonly content: Buffer;
}

/*
 * One line of JSON with everything that is needed to derive the key, then the ciphertext, then the GCM tag. The line is
 * authenticated with the ciphertext. Inside, gzipped: one line of JSON that lists the entries, then their bytes.
 */
const format = 'postern-backup-1';
const algorithm = 'aes-256-gcm';
const tagBytes = 16;
/** OWASP's first choice for argon2id is 46 MiB and one pass; a backup is opened rarely and may cost four times that. */
const kdf = { memoryKiB: 65_536, passes: 3, parallelism: 1 };

interface Header {
  readonly format: string;
  readonly createdAt: string;
  readonly kdf: { readonly name: string; readonly salt: string } & typeof kdf;
  readonly nonce: string;
}

/** Seals entries with a passphrase: argon2id derives the key, AES-256-GCM seals. */
export function sealArchive(entries: readonly ArchiveEntry[], passphrase: string, now: number): Buffer {
  const salt = randomBytes(16);
  const nonce = randomBytes(12);
  const header: Header = {
    format,
    createdAt: new Date(now).toISOString(),
    kdf: { name: 'argon2id', salt: salt.toString('base64'), ...kdf },
    nonce: nonce.toString('base64'),
  };
  const headerLine = Buffer.from(`${JSON.stringify(header)}\n`);
  const cipher = createCipheriv(algorithm, deriveKey(passphrase, salt, kdf), nonce, {
    authTagLength: tagBytes,
  });
  cipher.setAAD(headerLine);
  return Buffer.concat([headerLine, cipher.update(pack(entries)), cipher.final(), cipher.getAuthTag()]);
}

/**
 * Opens what {@link sealArchive} has sealed.
 *
 * @throws OperateError `failed` where it is no backup, the passphrase is wrong, or a byte has changed.
 */
export function openArchive(
  sealed: Buffer,
  passphrase: string,
): { entries: ArchiveEntry[]; createdAt: string } {
  const lineEnd = sealed.indexOf(10);
  const headerLine = sealed.subarray(0, lineEnd + 1);
  const header = parseHeader(headerLine);
  const key = deriveKey(passphrase, Buffer.from(header.kdf.salt, 'base64'), header.kdf);
  const decipher = createDecipheriv(algorithm, key, Buffer.from(header.nonce, 'base64'), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(headerLine);
  try {
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    const opened = Buffer.concat([
      decipher.update(sealed.subarray(lineEnd + 1, -tagBytes)),
      decipher.final(),
    ]);
    return { entries: unpack(gunzipSync(opened)), createdAt: header.createdAt };
  } catch (cause) {
    throw new OperateError(
      'failed',
      'The backup cannot be opened: the passphrase is wrong, or the file is damaged.',
      {
        remedy: 'Use the passphrase that it was made with; nothing was changed.',
        cause,
      },
    );
  }
}

function deriveKey(passphrase: string, salt: Buffer, cost: typeof kdf): Buffer {
  return argon2Sync('argon2id', {
    message: Buffer.from(passphrase.normalize('NFC')),
    nonce: salt,
    parallelism: cost.parallelism,
    memory: cost.memoryKiB,
    passes: cost.passes,
    tagLength: 32,
  });
}

function parseHeader(line: Buffer): Header {
  try {
    const header: Header = JSON.parse(line.subarray(0, 4_096).toString('utf8'));
    // The costs come from the file: a forged one must not make us spend gigabytes before the tag is checked.
    const sane = header.kdf.memoryKiB <= 1_048_576 && header.kdf.passes <= 16 && header.kdf.parallelism <= 4;
    if (header.format === format && sane) return header;
  } catch {
    // Told below, like every other file that is no backup.
  }
  throw new OperateError('failed', 'This file is no backup that this release can read.', {
    remedy: 'Name a file that `postern backup` has written.',
  });
}

function pack(entries: readonly ArchiveEntry[]): Buffer {
  const list = entries.map(({ name, content }) => ({ name, bytes: content.length }));
  return gzipSync(
    Buffer.concat([Buffer.from(`${JSON.stringify(list)}\n`), ...entries.map(entry => entry.content)]),
  );
}

function unpack(packed: Buffer): ArchiveEntry[] {
  const lineEnd = packed.indexOf(10);
  const list: { name: string; bytes: number }[] = JSON.parse(packed.subarray(0, lineEnd).toString('utf8'));
  let start = lineEnd + 1;
  return list.map(({ name, bytes }) => {
    const content = packed.subarray(start, start + bytes);
    start += bytes;
    return { name, content };
  });
}
