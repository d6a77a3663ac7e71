'use strict'
// Three things the page does by itself: it follows the agent's state, it lets one go
// along a camera's line of time by mouse, finger or keys, and it plays a moment of it.
const body = document.body
const byId = id => document.getElementById(id)

// The agent's clock on the wall, whatever the browser's is.
function local(ms) {
	const [first, at, second] = body.dataset.offsets.split(',').map(Number)
	return new Date(ms + 1000 * (at === undefined || ms < at ? first : second))
}
const two = n => String(n).padStart(2, '0')
function clock(ms, day) {
	const t = local(ms)
	const time = two(t.getUTCHours()) + ':' + two(t.getUTCMinutes()) + ':' + two(t.getUTCSeconds())
	return day ? t.getUTCFullYear() + '-' + two(t.getUTCMonth() + 1) + '-' + two(t.getUTCDate()) + ' ' + time : time
}

// --- Following the state ---

let stream, heard = Date.now(), at = +body.dataset.at, seen = body.dataset.seen, lost = 0, anew = false

function connect() {
	if (stream) stream.close()
	stream = new EventSource('/api/v1/events?span=' + body.dataset.span + '&seen=' + encodeURIComponent(seen))
	stream.addEventListener('changes', e => {
		heard = Date.now()
		seen = e.lastEventId
		const news = JSON.parse(e.data)
		at = news.at
		if (news.layout !== body.dataset.layout) anew = true
		else for (const [id, html] of Object.entries(news.html)) replace(id, html)
		if (anew && !player.open) location.reload()
		fresh()
	})
	stream.onerror = () => fresh()
}

function replace(id, html) {
	const e = byId(id)
	if (!e) return
	e.innerHTML = html
	if (e.classList.contains('bar')) dress(e)
	if (id === 'state') titled()
}

function titled() {
	const badge = document.querySelector('#state .state')
	const name = document.querySelector('h1').textContent
	document.title = (badge.classList.contains('good') ? '' : '⚠ ') + name + ' – recording agent'
}

// fresh says how old what is shown is, when it is not of now.
function fresh() {
	const old = Date.now() - heard > 40e3 || stream && stream.readyState !== EventSource.OPEN
	if (!old) lost = 0
	else if (!lost) lost = Date.now()
	const say = old && Date.now() - lost > 6e3
	byId('stale').hidden = !say
	if (say) {
		const text = (reason || 'The agent does not answer.') + ' What is shown is of ' + clock(at, true) + '. Trying again.'
		if (byId('stale').textContent !== text) byId('stale').textContent = text
		if (Date.now() - asking > 4e3) ask()
	} else reason = ''
	byId('fresh').textContent = 'As of ' + clock(at) + '.'
}

// An agent that starts, or cannot, says why.
let reason = '', asking = 0
async function ask() {
	asking = Date.now()
	let said = ''
	try {
		const answer = await fetch('/health')
		const told = await answer.json()
		const wrong = (told.problems || [])[0]
		if (answer.ok && wrong) said = wrong.what + ': ' + wrong.cause + '. ' + (wrong.remedy || '')
		else if (!answer.ok) said = told.detail
	} catch { } // it does not answer
	reason = said && said[0].toUpperCase() + said.slice(1) + '.'
}

function follow() {
	if (document.hidden) {
		if (stream) stream.close()
		stream = undefined
		return
	}
	// A browser gives up by itself only when the answer is an error.
	if (!stream || stream.readyState === EventSource.CLOSED || Date.now() - heard > 60e3) {
		if (!stream) heard = Date.now()
		connect()
	}
	fresh()
}

// --- Going along a line of time ---

const minute = 60e3

// dress makes the drawing a thing that keys can move in.
function dress(bar) {
	const svg = bar.querySelector('svg')
	bar.dataset.summary = svg.getAttribute('aria-label')
	svg.setAttribute('aria-hidden', 'true')
	svg.removeAttribute('role')
	for (const title of svg.querySelectorAll('title')) title.remove() // the tip says it
	const now = Math.min(+svg.dataset.to, at)
	bar.setAttribute('role', 'slider')
	bar.tabIndex = 0
	bar.setAttribute('aria-label', 'Timeline of ' + bar.dataset.name + ': arrows move by a minute, Page keys by an hour, Enter plays')
	bar.setAttribute('aria-valuemin', 0)
	bar.setAttribute('aria-valuemax', Math.round((svg.dataset.to - svg.dataset.from) / minute))
	if (document.activeElement === bar && bar.at) point(bar, bar.at, true)
	else value(bar, bar.at || now)
}

const range = bar => {
	const svg = bar.querySelector('svg')
	return [+svg.dataset.from, +svg.dataset.to]
}

// what tells what there is at a moment: the last that was drawn lies on top.
function what(bar, ms) {
	const [from, to] = range(bar)
	const slack = (to - from) / Math.max(1, bar.clientWidth) // a pixel
	const all = [...bar.querySelectorAll('rect[data-text]')].reverse()
	const hit = all.find(r => r.classList.contains('gap') && ms >= +r.dataset.from - slack && ms <= +r.dataset.to + slack) ||
		all.find(r => ms >= +r.dataset.from && ms < +r.dataset.to)
	if (hit) return {text: hit.dataset.text, footage: !hit.classList.contains('gap') && !hit.classList.contains('lost')}
	const wanted = [...bar.querySelectorAll('rect[data-window]')].some(r => ms >= +r.dataset.from && ms < +r.dataset.to)
	return {text: ms > at ? 'yet to come' : wanted ? 'nothing is known' : 'not scheduled', footage: false}
}

function value(bar, ms) {
	const [from, to] = range(bar)
	bar.at = Math.min(Math.max(ms, from), to)
	bar.setAttribute('aria-valuenow', Math.round((bar.at - from) / minute))
	bar.setAttribute('aria-valuetext', clock(bar.at) + ', ' + what(bar, bar.at).text)
}

// point shows what there is at a moment. touched adds a button: a finger has not
// seen the tip before.
function point(bar, ms, keep, touched) {
	const [from, to] = range(bar)
	const share = Math.min(1, Math.max(0, (ms - from) / (to - from)))
	const cursor = bar.parentElement.querySelector('.cursor'), tip = bar.parentElement.querySelector('.tip'), button = tip.querySelector('button')
	if (keep) value(bar, ms)
	const found = what(bar, ms)
	tip.querySelector('span').textContent = clock(ms) + ' ' + found.text
	button.hidden = !touched || !found.footage
	button.onclick = () => play(bar.dataset.camera, new Date(ms).toISOString(), bar)
	cursor.hidden = tip.hidden = false
	cursor.style.left = 100 * share + '%'
	tip.style.left = 0 // its width depends on the room that it has
	const room = bar.clientWidth - tip.offsetWidth
	tip.style.left = Math.min(room, Math.max(0, share * bar.clientWidth - tip.offsetWidth / 2)) + 'px'
}

function unpoint(bar) {
	for (const e of bar.parentElement.querySelectorAll('.cursor, .tip')) e.hidden = true
}

function moment(bar, event) {
	const box = bar.getBoundingClientRect(), [from, to] = range(bar)
	return from + (to - from) * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width))
}

const steps = {ArrowLeft: -minute, ArrowDown: -minute, ArrowRight: minute, ArrowUp: minute, PageDown: -60 * minute, PageUp: 60 * minute}

function listen(bar) {
	bar.addEventListener('pointermove', e => { if (e.pointerType === 'mouse') point(bar, moment(bar, e)) })
	bar.addEventListener('pointerleave', e => {
		if (e.pointerType !== 'mouse') return
		if (document.activeElement === bar && bar.matches(':focus-visible')) point(bar, bar.at, true)
		else unpoint(bar)
	})
	bar.addEventListener('focus', () => { if (bar.matches(':focus-visible')) point(bar, bar.at, true) })
	bar.addEventListener('blur', e => { if (!bar.parentElement.contains(e.relatedTarget)) unpoint(bar) })
	bar.addEventListener('click', e => {
		const ms = moment(bar, e), touched = e.pointerType === 'touch'
		point(bar, ms, true, touched)
		if (!touched) play(bar.dataset.camera, new Date(ms).toISOString(), bar)
	})
	bar.addEventListener('keydown', e => {
		const [from, to] = range(bar)
		let ms = bar.at
		if (e.key in steps) ms += steps[e.key] / (e.shiftKey ? 6 : 1)
		else if (e.key === 'Home') ms = from
		else if (e.key === 'End') ms = Math.min(to, at)
		else if (e.key === 'Escape') return unpoint(bar)
		else if (e.key === 'Enter' || e.key === ' ') play(bar.dataset.camera, new Date(ms).toISOString(), bar)
		else return
		e.preventDefault()
		point(bar, ms, true)
	})
}

// --- Playing ---

const player = byId('player'), video = byId('video'), said = byId('player-said'), on = byId('player-on')
const growth = 3e3 // an open segment has more by then
let found, opener, asked = 0

function say(text) { said.textContent = text }

async function play(camera, moment, from) {
	const mine = ++asked
	if (from) opener = from
	if (!player.open) {
		byId('player-title').textContent = ''
		player.showModal()
		video.focus()
	}
	on.hidden = true
	say('Looking for it …')
	try {
		const answer = await fetch('/api/v1/moment?camera=' + encodeURIComponent(camera) + '&at=' + encodeURIComponent(moment))
		const news = await answer.json()
		if (mine !== asked || !player.open) return
		if (!answer.ok) throw new Error(news.detail)
		show(news)
	} catch (err) {
		if (mine === asked) say('It cannot be played: ' + err.message + '.')
	}
}

function show(news) {
	const same = found && found.segment === news.segment && found.end === news.end && video.src && !video.error
	found = news
	byId('player-title').textContent = news.name + ', ' + clock(Date.parse(news.at), true)
	const download = byId('player-download')
	download.hidden = !news.segment
	download.href = news.download || '/'
	if (news.missing) {
		stop()
		say(news.missing)
		on.hidden = !news.segment
		on.onclick = () => play(found.camera, found.start)
		return
	}
	if (news.type.includes('codecs') && video.canPlayType(news.type) === '') {
		stop()
		say(refusal())
		return
	}
	say([news.codec, news.where].filter(Boolean).join(', ') + '.')
	if (same) {
		video.currentTime = news.offset
		start()
		return
	}
	video.src = news.end ? news.source : news.source + '?look=' + asked // what was fetched of an open segment is not all any more
}

const refusal = () => 'This browser cannot play ' + (found.codec || 'this footage') + '. Download the segment and open it in another player.'

function stop() {
	video.removeAttribute('src')
	video.load()
}

function start() { video.play().catch(() => {}) } // it may be that the browser wants a click

video.addEventListener('loadedmetadata', () => {
	video.currentTime = Math.min(found.offset, Math.max(0, video.duration - 0.1))
	if (!video.videoWidth) say(refusal())
	start()
})
video.addEventListener('timeupdate', () => {
	if (found && video.src && !video.seeking && video.readyState > 1)
		byId('player-title').textContent = found.name + ', ' + clock(Date.parse(found.start) + 1000 * video.currentTime, true)
})
const reached = () => new Date(Date.parse(found.start) + 1000 * video.currentTime).toISOString()
video.addEventListener('ended', () => {
	if (found.end) play(found.camera, found.end)
	else {
		say('This is as far as it is recorded yet; it goes on by itself.')
		const here = found
		setTimeout(() => {
			if (!player.open || found !== here || !video.ended) return
			found.end = 'grown' // so that it is fetched again
			play(found.camera, reached())
		}, growth)
	}
})
video.addEventListener('error', () => {
	if (!video.src || !found) return
	if (!found.end && !found.again && video.currentTime > 0) { // it was finished meanwhile, and its front is another
		const reach = reached()
		play(found.camera, reach).then(() => { found.again = true })
		return
	}
	say(video.error.code === 4 || video.error.code === 3 ? refusal() + ' (Or it could not be fetched from ' + (found.where === 'in the store' ? 'the store' : 'the agent') + '.)' :
		'It could not be fetched: ' + (video.error.message || 'the connection broke') + '.')
})
for (const button of player.querySelectorAll('[data-by]'))
	button.addEventListener('click', () => {
		if (!found) return
		const to = video.currentTime + Number(button.dataset.by)
		if (video.src && to >= 0 && to < video.duration) video.currentTime = to
		else play(found.camera, new Date((video.src ? Date.parse(found.start) + 1000 * to : Date.parse(found.at) + 1000 * Number(button.dataset.by))).toISOString())
	})
byId('player-close').addEventListener('click', () => player.close())
player.addEventListener('close', () => {
	if (player.open) return // it was opened again meanwhile
	asked++
	stop()
	found = undefined
	if (opener) opener.focus()
	if (anew) location.reload()
})
for (const form of document.querySelectorAll('.row .seek'))
	form.addEventListener('submit', e => {
		e.preventDefault()
		play(form.closest('.row').querySelector('.bar').dataset.camera, form.elements.at.value, form.querySelector('button'))
	})

for (const bar of document.querySelectorAll('.bar')) {
	dress(bar)
	listen(bar)
}
titled()
follow()
setInterval(follow, 3e3)
document.addEventListener('visibilitychange', follow)
