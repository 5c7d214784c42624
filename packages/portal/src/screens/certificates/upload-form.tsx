import { Field, Input, Radio, RadioGroup } from '@fluentui/react-components';
import { useState } from 'react';
import { type CertificateUpload, useUploadCertificate } from '../../api/certificates.ts';
import { messageFor } from '../../api/client.ts';
import { Confirmation } from '../../components/confirmation.tsx';
import { FileField } from '../../components/file-field.tsx';

type Kind = 'pfx' | 'pem';

/** Takes a certificate with its key as a PFX file or as PEM files, and leads to the page of what it has become. */
export function UploadForm({ onClose }: { readonly onClose: () => void }) {
  const upload = useUploadCertificate();
  const [kind, setKind] = useState<Kind>('pfx');
  const [files, setFiles] = useState<readonly File[]>([]);
  const [keyFiles, setKeyFiles] = useState<readonly File[]>([]);
  const [password, setPassword] = useState('');
  const [unreadable, setUnreadable] = useState<Error | null>(null);
  const error = unreadable ?? upload.error;
  const messages = ['certificate', 'privateKey', 'password'].map(name => messageFor(error, name));
  const [certificateMessage, keyMessage, passwordMessage] = messages;
  // With a PFX file the key is in the same file.
  const fileMessage = kind === 'pfx' ? (certificateMessage ?? keyMessage) : certificateMessage;

  const choose = (setter: (chosen: readonly File[]) => void) => (chosen: readonly File[]) => {
    setter(chosen);
    upload.reset();
    setUnreadable(null);
  };
  const send = async () => {
    let wanted: CertificateUpload;
    try {
      wanted = await read(kind, files, keyFiles, password);
      setUnreadable(null);
    } catch (reason) {
      setUnreadable(
        new Error(`The file cannot be read: ${reason instanceof Error ? reason.message : reason}`),
      );
      return;
    }
    upload.mutate(wanted, {
      // A new document rather than a new page: this one goes with the open modal and what it has hidden behind it.
      onSuccess: ({ id }) => location.assign(`/admin/certificates/${id}`),
    });
  };
  return (
    <Confirmation
      title="Upload a certificate"
      confirm="Upload"
      isIncomplete={files.length === 0}
      isPending={upload.isPending}
      error={messages.every(message => message === undefined) ? error : null}
      onConfirm={() => void send()}
      onClose={onClose}
    >
      <Field label="Kind of file">
        <RadioGroup
          layout="horizontal"
          value={kind}
          onChange={(_event, { value }) => {
            setKind(value as Kind);
            setKeyFiles([]);
            choose(setFiles)([]);
          }}
        >
          <Radio value="pfx" label="PFX (.pfx, .p12)" />
          <Radio value="pem" label="PEM (.pem, .crt, .key)" />
        </RadioGroup>
      </Field>
      {kind === 'pfx' ? (
        <FileField
          key="pfx"
          label="PFX file"
          hint="With the private key and every intermediate certificate."
          accept=".pfx,.p12,application/x-pkcs12"
          error={fileMessage}
          onChoose={choose(setFiles)}
        />
      ) : (
        <>
          <FileField
            key="certificate"
            label="Certificate and chain"
            hint="One file or several, in any order; for an authority of your own its root, too."
            accept=".pem,.crt,.cer,.cert,application/x-pem-file"
            isMultiple
            error={fileMessage}
            onChoose={choose(setFiles)}
          />
          <FileField
            key="key"
            label="Private key"
            hint="Leave it out where it stands among the certificates."
            accept=".pem,.key,application/x-pem-file"
            error={keyMessage}
            onChoose={choose(setKeyFiles)}
          />
        </>
      )}
      <Field
        label="Password"
        hint={kind === 'pfx' ? 'Of the file; empty where it has none.' : 'Of the key, where it is encrypted.'}
        validationMessage={passwordMessage}
      >
        <Input
          type="password"
          autoComplete="off"
          value={password}
          maxLength={1_024}
          onChange={(_event, { value }) => setPassword(value)}
        />
      </Field>
    </Confirmation>
  );
}

async function read(
  kind: Kind,
  files: readonly File[],
  keyFiles: readonly File[],
  password: string,
): Promise<CertificateUpload> {
  const secret = password === '' ? {} : { password };
  if (kind === 'pfx') return { pfx: await base64Of(files[0] as File), ...secret };
  const certificate = await textOf(files);
  return { certificate, ...(keyFiles.length > 0 && { privateKey: await textOf(keyFiles) }), ...secret };
}

async function textOf(files: readonly File[]): Promise<string> {
  return (await Promise.all(files.map(file => file.text()))).join('\n');
}

async function base64Of(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''));
}
