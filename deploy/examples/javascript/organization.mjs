// An organization's token in subjects: its handle with every byte outside
// [A-Za-z0-9_-] percent-encoded (example.com: example%2Ecom). encodeURIComponent
// would leave dots as they are, and a dot ends a token.
export function token(handle) {
  return Array.from(new TextEncoder().encode(handle), (byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9_-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}
