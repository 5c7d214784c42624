import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closeFrame, FrameTracker } from './websocket-frames.ts';

function frame(length: number, masked: boolean): Buffer {
  const lengthBytes =
    length < 126
      ? [length]
      : length < 65_536
        ? [126, length >> 8, length & 255]
        : [127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 255, length & 255];
  lengthBytes[0]! |= masked ? 0x80 : 0;
  return Buffer.concat([Buffer.from([0x82, ...lengthBytes]), Buffer.alloc((masked ? 4 : 0) + length, 7)]);
}

describe('FrameTracker (RFC 6455 §5.2)', () => {
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 70_000]) {
    for (const masked of [false, true]) {
      test(`a ${masked ? 'masked ' : ''}frame of ${length} bytes ends where it ends, whatever the pieces`, () => {
        const bytes = Buffer.concat([frame(length, masked), frame(3, masked)]);
        for (const step of [1, 2, 7, 4096, bytes.length]) {
          const tracker = new FrameTracker();
          const boundaries: number[] = [];
          for (let at = 0; at < bytes.length; at += step) {
            const end = Math.min(at + step, bytes.length);
            tracker.push(bytes, at, end);
            if (tracker.isAtBoundary) boundaries.push(end);
          }
          assert.equal(boundaries.at(-1), bytes.length);
          if (step === 1) assert.deepEqual(boundaries, [frame(length, masked).length, bytes.length]);
        }
      });
    }
  }

  test('a close frame is one frame with its code and reason', () => {
    const bytes = closeFrame(1008, 'access was withdrawn');
    const tracker = new FrameTracker();
    tracker.push(bytes, 0, bytes.length);

    assert.ok(tracker.isAtBoundary);
    assert.equal(bytes.readUInt16BE(2), 1008);
    assert.equal(bytes.toString('utf8', 4), 'access was withdrawn');
  });
});
