/** Waiting a moment for more of the same. */

/** Several calls for a moment's news are one. @param {number} wait milliseconds @param {() => void} work */
export function soon(wait, work) {
  let timer = 0;
  return () => {
    if (timer) return;
    timer = setTimeout(() => {
      timer = 0;
      work();
    }, wait);
  };
}
