'use strict'
// Looks whether there is an agent to show by now, and shows what has changed until then.
setInterval(async () => {
	try {
		const answer = await fetch('/')
		if (answer.ok) return location.reload()
		const news = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('main')
		const main = document.querySelector('main')
		if (news && news.innerHTML !== main.innerHTML) main.replaceWith(news)
	} catch { } // the agent starts anew
}, 5e3)
