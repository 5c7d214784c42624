import { Dialog, DialogSurface } from '@fluentui/react-components';
import { type ReactNode, useEffect, useState } from 'react';

interface ModalProps {
  readonly isOpen: boolean;
  readonly onClose: () => void;
  /** Whether only its own buttons close it. */
  readonly isInsistent?: boolean;
  /** Made anew each time it opens, so that it begins with nothing filled in. */
  readonly children: ReactNode;
}

/**
 * What lies over the page until it is answered. The one who opens it keeps it mounted: it takes back what it has done to the
 * page behind when it closes, not when it is gone.
 */
export function Modal({ isOpen, onClose, isInsistent = false, children }: ModalProps) {
  const [hasOpened, setHasOpened] = useState(isOpen);
  useEffect(() => {
    if (isOpen) setHasOpened(true);
  }, [isOpen]);
  if (!hasOpened) return null;
  return (
    <Dialog
      open={isOpen}
      modalType={isInsistent ? 'alert' : 'modal'}
      onOpenChange={(_event, { open }) => !open && onClose()}
    >
      <DialogSurface>{children}</DialogSurface>
    </Dialog>
  );
}
