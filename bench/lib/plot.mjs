/** Panels side by side, each with both axes logarithmic, as SVG. */

const [width, height, margin] = [260, 220, 38];
const colours = ['#1f77b4', '#d62728'];

function scaleOf(values, from, to) {
  const [low, high] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
  const span = Math.max(high - low, 0.1);
  return (value) => from + ((Math.log10(value) - low) / span) * (to - from);
}

function short(value) {
  return value >= 1000 ? `${value / 1000}k` : String(Math.round(value * 10) / 10);
}

function panel({ title, x, lines }, index) {
  const left = index * width;
  const toX = scaleOf(x, left + margin, left + width - 16);
  const all = lines.flatMap(({ y }) => y);
  const toY = scaleOf([...all, Math.min(...all) * 0.8, Math.max(...all) * 1.2], height - margin, margin);
  const parts = [
    `<text x="${left + width / 2}" y="16" text-anchor="middle" font-weight="bold">${title}</text>`,
    `<path d="M${left + margin} ${margin}V${height - margin}H${left + width - 16}" fill="none" stroke="#888"/>`,
    ...x.map(
      (value) =>
        `<text x="${toX(value)}" y="${height - margin + 14}" text-anchor="middle">${short(value)}</text>`,
    ),
  ];
  lines.forEach(({ name, y }, i) => {
    const points = y.map((value, p) => [toX(x[p]), toY(value)]);
    parts.push(
      `<polyline points="${points.map((point) => point.map((v) => v.toFixed(1)).join(',')).join(' ')}" fill="none" stroke="${colours[i]}" stroke-width="1.5"/>`,
      ...points.map(
        ([px, py]) => `<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="2.5" fill="${colours[i]}"/>`,
      ),
      // Only the ends are written: the others lie between them.
      ...[0, y.length - 1].map(
        (p) =>
          `<text x="${points[p][0].toFixed(1)}" y="${(points[p][1] - 6).toFixed(1)}" text-anchor="${p === 0 ? 'start' : 'end'}" fill="${colours[i]}">${short(y[p])}</text>`,
      ),
    );
    if (index === 0)
      parts.push(`<text x="${margin}" y="${height - 14 + i * 11}" fill="${colours[i]}">${name}</text>`);
  });
  return parts.join('\n');
}

export function plot(panels) {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width * panels.length}" height="${height + 6}" font-family="sans-serif" font-size="10">
<rect width="100%" height="100%" fill="white"/>
${panels.map(panel).join('\n')}
</svg>
`;
}
