// An error as one line of text, with all that it wraps.
export function text(error) {
  const inner = [...(error.errors ?? []), ...(error.cause instanceof Error ? [error.cause] : [])];
  const own = [error.code, error.message || error.name].filter(Boolean).join(" ");
  return [own, ...inner.map(text)].join(": ");
}

// From now on it is `now` (RFC 3339): not every check of every library can be told the time.
export function setClock(now) {
  const real = Date;
  const fixed = real.parse(now);
  if (Number.isNaN(fixed)) throw new Error(`no date: ${now}`);
  globalThis.Date = class extends real {
    constructor(...given) {
      super(...(given.length === 0 ? [fixed] : given));
    }
    static now() {
      return fixed;
    }
  };
}
