/**
 * One line of CSV (RFC 4180). Text with a comma, a quote or a line break is quoted. Text that a spreadsheet would read as a
 * formula begins with an apostrophe (OWASP, CSV injection).
 */
export function csvLine(cells: readonly (string | number)[]): string {
  const quoted = cells.map((cell) => {
    const text = typeof cell === 'string' && /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : String(cell);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${quoted.join(',')}\n`;
}
