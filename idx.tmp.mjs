import sharp from 'sharp'; import { readdirSync, writeFileSync } from 'node:fs';
const [,, root, W, H, out] = process.argv;
async function idx(dirs, file){ const all=[]; for(const d of dirs) for(const f of readdirSync(`${root}/${d}`).sort()) all.push(await sharp(`${root}/${d}/${f}`).resize(+W,+H,{fit:'fill'}).toColourspace('b-w').raw().toBuffer()); const h=Buffer.alloc(16); h.writeUInt32BE(0x803,0); h.writeUInt32BE(all.length,4); h.writeUInt32BE(+H,8); h.writeUInt32BE(+W,12); writeFileSync(file,Buffer.concat([h,...all])); return all.length; }
await idx(['good'],`${out}.train.idx3`); await idx(['test','bad'],`${out}.test.idx3`);
const n=readdirSync(`${root}/test`).length, b=readdirSync(`${root}/bad`).length; const h=Buffer.alloc(8+n+b); h.writeUInt32BE(0x801,0); h.writeUInt32BE(n+b,4); h.fill(1,8+n); writeFileSync(`${out}.label.idx1`,h);
