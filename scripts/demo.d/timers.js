// Intervals, and one deadline to be kept (see world).
'use strict';
const fs = require('fs');
const counts = [0, 0, 0];
let armed = false;
process.chdir(process.env.DEMO_DIR);

function write(name, text) {
	fs.writeFileSync('.' + name, text);
	fs.renameSync('.' + name, name);
}
function ids() {
	const s = fs.readFileSync('/proc/self/stat', 'utf8').replace(/^.*\) /, '').split(' ');
	return `node pid ${process.pid} ppid ${process.ppid} pgid ${s[2]} sid ${s[3]} ` +
		`self ${fs.readlinkSync('/proc/self')} threads ${fs.readdirSync('/proc/self/task').sort()}`;
}
[7, 23, 61].forEach((ms, i) => setInterval(() => counts[i]++, ms));
setInterval(() => {
	write('count.timers', counts.join(' '));
	for (const tag of ['before', 'after'])
		if (fs.existsSync('ask.' + tag) && !fs.existsSync('ids.timers.' + tag))
			write('ids.timers.' + tag, ids() + '\n');
	if (!armed && fs.existsSync('ask.deadline')) {
		armed = true;
		const ms = Number(fs.readFileSync('ask.deadline', 'utf8'));
		const began = process.hrtime.bigint();
		setTimeout(() => write('deadline.fired', String((process.hrtime.bigint() - began) / 1000n)), ms);
		write('deadline.armed', String(ms));
	}
}, 50);
