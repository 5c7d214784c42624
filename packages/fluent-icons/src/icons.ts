import { drawIcon } from './draw.ts';

export { bundleIcon, iconFilledClassName, iconRegularClassName } from './draw.ts';

// Every icon that the components of @fluentui/react-components ask for by name, and none besides. After an upgrade of
// Fluent the build names the ones that are missing.

const dismiss = 'm5 5 10 10M15 5 5 15';
const chevronDown = 'm4.5 7.5 5.5 5.5 5.5-5.5';
const chevronRight = 'm7.5 4.5 5.5 5.5-5.5 5.5';
const warning = 'M10 3 18 16.5H2zM10 8v4m0 2v.1';
const info = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zm0 6v4.5m0-7v.1';
const circle = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14z';
const chevronLeft = 'm12.5 4.5-5.5 5.5 5.5 5.5';
const checkmarkCircle = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zm-3 7.2 2.2 2.3 4-4.6';
const checkmark = 'm4 10.5 4 4 8-9';
const star = 'm10 3 2.2 4.6 5 .7-3.6 3.5.9 5-4.5-2.4-4.5 2.4.9-5L2.8 8.3l5-.7z';
const diamondDismiss = 'M10 2.5 17.5 10 10 17.5 2.5 10zM7.8 7.8l4.4 4.4m0-4.4-4.4 4.4';
const square = 'M4 4h12v12H4z';
const search = 'M8.5 3.5a5 5 0 1 0 0 10 5 5 0 0 0 0-10zm3.6 8.6 4.4 4.4';
const prohibited = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM5.2 5.2l9.6 9.6';
const play = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM8.5 7.5v5l4-2.5z';
const pin = 'm11 3 6 6-3.5 1.5-2 4.5-6.5-6.5 4.5-2zM8.5 11.5 3.5 16.5';
const person = 'M10 3.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM4 16.5a6 4.5 0 0 1 12 0z';
const pause = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM8.5 7.5v5m3-5v5';
const navigation = 'M3 5.5h14M3 10h14M3 14.5h14';
const more = 'M5 10h.1M10 10h.1M15 10h.1';
const lightbulb = 'M7.5 14a5.5 5.5 0 1 1 5 0zM8 17h4';
const dismissCircle = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zm-2.5 4.5 5 5m0-5-5 5';
const chevronUp = 'm4.5 12.5 5.5-5.5 5.5 5.5';
const arrowUp = 'M10 16V4M5 9l5-5 5 5';
const arrowDown = 'M10 4v12m-5-5 5 5 5-5';
const arrowOut = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM12.5 10h-5m2-2.5-2.5 2.5 2.5 2.5';
const minus = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM7 10h6';
const clock = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zm0 3.5v3.5l2.5 1.5';

export const ArrowDownRegular = /* @__PURE__ */ drawIcon(arrowDown);
export const ArrowUpRegular = /* @__PURE__ */ drawIcon(arrowUp);
export const CheckmarkFilled = /* @__PURE__ */ drawIcon(checkmark, { isBold: true });
export const Checkmark12Filled = /* @__PURE__ */ drawIcon(checkmark, { size: 12, isBold: true });
export const Checkmark16Filled = /* @__PURE__ */ drawIcon(checkmark, { size: 16, isBold: true });
export const CheckmarkCircleFilled = /* @__PURE__ */ drawIcon(checkmarkCircle, { isBold: true });
export const CheckmarkCircle12Filled = /* @__PURE__ */ drawIcon(checkmarkCircle, { size: 12, isBold: true });
export const ChevronDownRegular = /* @__PURE__ */ drawIcon(chevronDown);
export const ChevronDown16Regular = /* @__PURE__ */ drawIcon(chevronDown, { size: 16 });
export const ChevronDown20Regular = /* @__PURE__ */ drawIcon(chevronDown, { size: 20 });
export const ChevronLeftFilled = /* @__PURE__ */ drawIcon(chevronLeft, { isBold: true });
export const ChevronLeftRegular = /* @__PURE__ */ drawIcon(chevronLeft);
export const ChevronRightFilled = /* @__PURE__ */ drawIcon(chevronRight, { isBold: true });
export const ChevronRightRegular = /* @__PURE__ */ drawIcon(chevronRight);
export const ChevronRight12Regular = /* @__PURE__ */ drawIcon(chevronRight, { size: 12 });
export const ChevronUp16Regular = /* @__PURE__ */ drawIcon(chevronUp, { size: 16 });
export const CircleFilled = /* @__PURE__ */ drawIcon(circle, { isBold: true });
export const DiamondDismissFilled = /* @__PURE__ */ drawIcon(diamondDismiss, { isBold: true });
export const DiamondDismiss12Filled = /* @__PURE__ */ drawIcon(diamondDismiss, { size: 12, isBold: true });
export const DismissFilled = /* @__PURE__ */ drawIcon(dismiss, { isBold: true });
export const DismissRegular = /* @__PURE__ */ drawIcon(dismiss);
export const Dismiss12Regular = /* @__PURE__ */ drawIcon(dismiss, { size: 12 });
export const Dismiss20Regular = /* @__PURE__ */ drawIcon(dismiss, { size: 20 });
export const DismissCircleFilled = /* @__PURE__ */ drawIcon(dismissCircle, { isBold: true });
export const InfoFilled = /* @__PURE__ */ drawIcon(info, { isBold: true });
export const Info12Filled = /* @__PURE__ */ drawIcon(info, { size: 12, isBold: true });
export const Info12Regular = /* @__PURE__ */ drawIcon(info, { size: 12 });
export const Info16Filled = /* @__PURE__ */ drawIcon(info, { size: 16, isBold: true });
export const Info16Regular = /* @__PURE__ */ drawIcon(info, { size: 16 });
export const Info20Filled = /* @__PURE__ */ drawIcon(info, { size: 20, isBold: true });
export const Info20Regular = /* @__PURE__ */ drawIcon(info, { size: 20 });
export const Lightbulb16Regular = /* @__PURE__ */ drawIcon(lightbulb, { size: 16 });
export const MoreHorizontalFilled = /* @__PURE__ */ drawIcon(more, { isBold: true });
export const MoreHorizontalRegular = /* @__PURE__ */ drawIcon(more);
export const Navigation20Filled = /* @__PURE__ */ drawIcon(navigation, { size: 20, isBold: true });
export const PauseCircleRegular = /* @__PURE__ */ drawIcon(pause);
export const PersonRegular = /* @__PURE__ */ drawIcon(person);
export const Pin20Regular = /* @__PURE__ */ drawIcon(pin, { size: 20 });
export const PlayCircleRegular = /* @__PURE__ */ drawIcon(play);
export const PresenceAvailable10Filled = /* @__PURE__ */ drawIcon(checkmarkCircle, {
  size: 10,
  isBold: true,
});
export const PresenceAvailable10Regular = /* @__PURE__ */ drawIcon(checkmarkCircle, { size: 10 });
export const PresenceAvailable12Filled = /* @__PURE__ */ drawIcon(checkmarkCircle, {
  size: 12,
  isBold: true,
});
export const PresenceAvailable12Regular = /* @__PURE__ */ drawIcon(checkmarkCircle, { size: 12 });
export const PresenceAvailable16Filled = /* @__PURE__ */ drawIcon(checkmarkCircle, {
  size: 16,
  isBold: true,
});
export const PresenceAvailable16Regular = /* @__PURE__ */ drawIcon(checkmarkCircle, { size: 16 });
export const PresenceAvailable20Filled = /* @__PURE__ */ drawIcon(checkmarkCircle, {
  size: 20,
  isBold: true,
});
export const PresenceAvailable20Regular = /* @__PURE__ */ drawIcon(checkmarkCircle, { size: 20 });
export const PresenceAway10Filled = /* @__PURE__ */ drawIcon(clock, { size: 10, isBold: true });
export const PresenceAway10Regular = /* @__PURE__ */ drawIcon(clock, { size: 10 });
export const PresenceAway12Filled = /* @__PURE__ */ drawIcon(clock, { size: 12, isBold: true });
export const PresenceAway12Regular = /* @__PURE__ */ drawIcon(clock, { size: 12 });
export const PresenceAway16Filled = /* @__PURE__ */ drawIcon(clock, { size: 16, isBold: true });
export const PresenceAway16Regular = /* @__PURE__ */ drawIcon(clock, { size: 16 });
export const PresenceAway20Filled = /* @__PURE__ */ drawIcon(clock, { size: 20, isBold: true });
export const PresenceAway20Regular = /* @__PURE__ */ drawIcon(clock, { size: 20 });
export const PresenceBlocked10Regular = /* @__PURE__ */ drawIcon(prohibited, { size: 10 });
export const PresenceBlocked12Regular = /* @__PURE__ */ drawIcon(prohibited, { size: 12 });
export const PresenceBlocked16Regular = /* @__PURE__ */ drawIcon(prohibited, { size: 16 });
export const PresenceBlocked20Regular = /* @__PURE__ */ drawIcon(prohibited, { size: 20 });
export const PresenceBusy10Filled = /* @__PURE__ */ drawIcon(circle, { size: 10, isBold: true });
export const PresenceBusy12Filled = /* @__PURE__ */ drawIcon(circle, { size: 12, isBold: true });
export const PresenceBusy16Filled = /* @__PURE__ */ drawIcon(circle, { size: 16, isBold: true });
export const PresenceBusy20Filled = /* @__PURE__ */ drawIcon(circle, { size: 20, isBold: true });
export const PresenceDnd10Filled = /* @__PURE__ */ drawIcon(minus, { size: 10, isBold: true });
export const PresenceDnd10Regular = /* @__PURE__ */ drawIcon(minus, { size: 10 });
export const PresenceDnd12Filled = /* @__PURE__ */ drawIcon(minus, { size: 12, isBold: true });
export const PresenceDnd12Regular = /* @__PURE__ */ drawIcon(minus, { size: 12 });
export const PresenceDnd16Filled = /* @__PURE__ */ drawIcon(minus, { size: 16, isBold: true });
export const PresenceDnd16Regular = /* @__PURE__ */ drawIcon(minus, { size: 16 });
export const PresenceDnd20Filled = /* @__PURE__ */ drawIcon(minus, { size: 20, isBold: true });
export const PresenceDnd20Regular = /* @__PURE__ */ drawIcon(minus, { size: 20 });
export const PresenceOffline10Regular = /* @__PURE__ */ drawIcon(dismissCircle, { size: 10 });
export const PresenceOffline12Regular = /* @__PURE__ */ drawIcon(dismissCircle, { size: 12 });
export const PresenceOffline16Regular = /* @__PURE__ */ drawIcon(dismissCircle, { size: 16 });
export const PresenceOffline20Regular = /* @__PURE__ */ drawIcon(dismissCircle, { size: 20 });
export const PresenceOof10Regular = /* @__PURE__ */ drawIcon(arrowOut, { size: 10 });
export const PresenceOof12Regular = /* @__PURE__ */ drawIcon(arrowOut, { size: 12 });
export const PresenceOof16Regular = /* @__PURE__ */ drawIcon(arrowOut, { size: 16 });
export const PresenceOof20Regular = /* @__PURE__ */ drawIcon(arrowOut, { size: 20 });
export const PresenceUnknown10Regular = /* @__PURE__ */ drawIcon(circle, { size: 10 });
export const PresenceUnknown12Regular = /* @__PURE__ */ drawIcon(circle, { size: 12 });
export const PresenceUnknown16Regular = /* @__PURE__ */ drawIcon(circle, { size: 16 });
export const PresenceUnknown20Regular = /* @__PURE__ */ drawIcon(circle, { size: 20 });
export const ProhibitedFilled = /* @__PURE__ */ drawIcon(prohibited, { isBold: true });
export const SearchRegular = /* @__PURE__ */ drawIcon(search);
export const Square12Filled = /* @__PURE__ */ drawIcon(square, { size: 12, isBold: true });
export const Square16Filled = /* @__PURE__ */ drawIcon(square, { size: 16, isBold: true });
export const StarFilled = /* @__PURE__ */ drawIcon(star, { isBold: true });
export const StarRegular = /* @__PURE__ */ drawIcon(star);
export const WarningFilled = /* @__PURE__ */ drawIcon(warning, { isBold: true });
export const Warning12Filled = /* @__PURE__ */ drawIcon(warning, { size: 12, isBold: true });
