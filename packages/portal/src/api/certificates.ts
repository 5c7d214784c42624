import type {
  AutomaticCertificateDescription,
  PublicCertificate,
} from '@postern/protocol/admin/certificates';
import { queryOptions } from '@tanstack/react-query';
import { change, read, readAll } from './client.ts';
import { useChange } from './use-change.ts';

const profilePath = '/onPremisesPublishingProfiles/applicationProxy';
const path = `${profilePath}/certificates`;
const automaticPath = `${profilePath}/automaticCertificates`;

/** Everything about certificates for public names. */
export const certificatesKey = ['certificates'] as const;

/** Certificates of the store: uploaded, or got by the service itself. */
export const certificatesQuery = queryOptions({
  queryKey: [...certificatesKey, 'all'],
  queryFn: ({ signal }) => readAll<PublicCertificate>(path, signal),
  refetchInterval: 15_000,
});

export function certificateQuery(id: string) {
  return queryOptions({
    queryKey: [...certificatesKey, 'one', id],
    queryFn: ({ signal }) => read<PublicCertificate>(`${path}/${id}`, signal),
    refetchInterval: 15_000,
  });
}

/**
 * What the service gets by itself, and how that goes; nothing where it is not set up to.
 *
 * @param isUnderWay Somebody waits for one of them.
 */
export function automaticCertificatesQuery(isUnderWay = false) {
  return queryOptions({
    queryKey: [...certificatesKey, 'automatic'],
    queryFn: ({ signal }) => readAll<AutomaticCertificateDescription>(automaticPath, signal),
    refetchInterval: isUnderWay ? 2_000 : 15_000,
  });
}

/** A PFX file in base64, or PEM; a private key goes to the service and nowhere else. */
export type CertificateUpload =
  | { readonly pfx: string; readonly password?: string }
  | { readonly certificate: string; readonly privateKey?: string; readonly password?: string };

export function useUploadCertificate() {
  return useCertificateChange((upload: CertificateUpload) => change<PublicCertificate>('POST', path, upload));
}

/** Tries now to get a certificate; resolves when that has begun. */
export function useRenewCertificate() {
  return useCertificateChange((id: string) =>
    change('POST', `${automaticPath}/${encodeURIComponent(id)}/renew`),
  );
}

/** @param onDeleted Called before the lists are read again: what shows the certificate is gone after that. */
export function useDeleteCertificate(id: string, onDeleted: () => void) {
  return useCertificateChange(() => change('DELETE', `${path}/${id}`), { onSuccess: onDeleted });
}

function useCertificateChange<Input = void, Answer = void>(
  mutationFn: (input: Input) => Promise<Answer>,
  more?: { readonly onSuccess: () => void },
) {
  // What was sent holds a key and its password.
  return useChange(mutationFn, [certificatesKey], { ...more, gcTime: 0 });
}
