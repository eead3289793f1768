"""What the seeded world's videos are about: invented titles, tags and channel names with the look of real ones.

Themes are joined to their neighbours by shared tags, so that a Snowball that starts in one of them reaches all.
Subjects are what a Snowball lives on: each is a tag of its own that some videos share and few others have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["CHANNEL_FIRST", "CHANNEL_LAST", "EVERYWHERE", "THEMES", "Theme"]


@dataclass(frozen=True)
class Theme:
    """One theme.

    Attributes:
        name: its first tag.
        category: YouTube's category number.
        weight: share of the world's channels.
        core: tags that most of its videos share.
        subjects: what a video is about; a tag each.
        titles: title patterns with {s} for the subject, {t} for another subject and {n} for a number.
        neighbours: names of the themes that it shares tags with.
        minutes: usual length.
    """

    name: str
    category: int
    weight: float
    core: tuple[str, ...]
    subjects: tuple[str, ...]
    titles: tuple[str, ...]
    neighbours: tuple[str, ...]
    minutes: float


def _list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split("|"))


THEMES: Final = (
    Theme(
        name="gaming",
        category=20,
        weight=2.0,
        core=_list("gaming|gameplay|let's play|Minecraft|pc gaming|walkthrough"),
        subjects=_list(
            "minecraft survival|redstone farm|speedrun|hardcore world|boss fight|indie horror game|"
            "open world rpg|city builder|farming simulator|roguelike deckbuilder|base building|retro handheld|"
            "racing sim|mod showcase|skyblock|stealth challenge|co-op puzzle game|pixel art game|modded survival|"
            "game review"
        ),
        titles=_list(
            "{s}: I Tried It for {n} Days|The BEST {s} Guide for Beginners|{s} but Every Death Adds a {t}|"
            "Nobody Talks About This {s} Trick|{n} Secrets of the {s}|{s} vs {t} - Which Is Better?|"
            "I Spent {n} Hours on a {s} & It Broke|My First {s} (Episode {n})"
        ),
        neighbours=("technology", "music", "comedy"),
        minutes=22,
    ),
    Theme(
        name="technology",
        category=28,
        weight=1.5,
        core=_list("technology|tech|tech review|gadgets|2026 tech|unboxing"),
        subjects=_list(
            "foldable phone|mini pc|mechanical keyboard|home server|smart glasses|e-ink tablet|budget laptop|"
            "usb-c hub|noise cancelling headphones|electric scooter|3d printer|self hosted cloud|mesh wifi|"
            "robot vacuum|action camera|raspberry pi|portable monitor|desk setup|solid state battery|smart home"
        ),
        titles=_list(
            "{s} Review: {n} Months Later|Don't Buy a {s} Before Watching This|I Built a {s} for ${n}|"
            '{s} vs {t}: The Honest Answer|Top {n} {s} Picks|Why Every {s} Is "Smart" Now|'
            "Unboxing the Strangest {s} Yet"
        ),
        neighbours=("programming", "gaming", "science"),
        minutes=12,
    ),
    Theme(
        name="programming",
        category=27,
        weight=1.2,
        core=_list("programming|coding|python|software engineering|tutorial|learn to code"),
        subjects=_list(
            "python tutorial|machine learning|AI agents|large language models|rust lang|web scraping|postgresql|"
            "docker|data science|asyncio|typescript|git workflow|system design|neural network from scratch|"
            "prompt engineering|linux terminal|open source|time series database|api design|code review"
        ),
        titles=_list(
            "{s} in {n} Minutes|Learn {s} the Right Way|{s} Explained for Beginners|"
            "I Rewrote It with {s} (and {t})|{n} Mistakes Everyone Makes with {s}|"
            "Build a {s} Project Step by Step|{s} Crash Course - Part {n}"
        ),
        neighbours=("technology", "science", "finance"),
        minutes=18,
    ),
    Theme(
        name="science",
        category=28,
        weight=0.9,
        core=_list("science|physics|space|documentary|education|explained"),
        subjects=_list(
            "black hole|mars mission|james webb telescope|fusion energy|quantum computer|deep sea creatures|"
            "dinosaurs|volcano eruption|human brain|dark matter|moon landing|climate change|crispr|ancient dna|"
            "chemistry experiment|rocket launch|math puzzle|aurora borealis|microscope|evolution"
        ),
        titles=_list(
            "What Happens Inside a {s}?|The {s} Mystery, Solved|{n} Facts About {s} That Sound Fake|"
            "{s}, Explained|Why {s} Matters More Than {t}|We Tested the {s} Myth|"
            "The Day the {s} Changed Everything"
        ),
        neighbours=("technology", "nature", "history"),
        minutes=14,
    ),
    Theme(
        name="music",
        category=10,
        weight=1.6,
        core=_list("music|new music|official video|live session|song|playlist"),
        subjects=_list(
            "lofi hip hop|acoustic cover|piano tutorial|guitar lesson|synthwave|jazz for work|drum cover|"
            "indie folk|house mix|vocal warm up|film score|songwriting|chill beats|metal riffs|k-pop dance|choir|"
            "beat making|bass guitar|music theory|studio vlog"
        ),
        titles=_list(
            "{s} to Study and Relax ({n} Hours)|{s} - Official Video|How I Made a {s} in {n} Minutes|"
            "{s} Live Session #{n}|{s} (Cover)|From {t} to {s}|The {s} Trick Pros Use"
        ),
        neighbours=("gaming", "comedy", "travel"),
        minutes=7,
    ),
    Theme(
        name="cooking",
        category=26,
        weight=1.1,
        core=_list("cooking|recipe|food|easy recipes|homemade|kitchen"),
        subjects=_list(
            "sourdough bread|street food|air fryer recipes|ramen at home|meal prep|chocolate cake|vegan dinner|"
            "bbq ribs|pasta from scratch|knife skills|dumplings|fermentation|pizza dough|breakfast ideas|"
            "budget meals|curry night|cast iron|ice cream|one pot meals|coffee brewing"
        ),
        titles=_list(
            "{s} in {n} Minutes|The Only {s} Recipe You Need|I Cooked {s} for {n} People|"
            "{s} & {t}: Cheap, Fast, Good|Grandma's {s} Secret|{n} Levels of {s}|Why Your {s} Fails"
        ),
        neighbours=("fitness", "travel", "diy"),
        minutes=10,
    ),
    Theme(
        name="fitness",
        category=17,
        weight=0.9,
        core=_list("fitness|workout|health|gym|motivation|home workout"),
        subjects=_list(
            "pull ups|marathon training|yoga for beginners|kettlebell|calisthenics|fat loss|mobility routine|"
            "protein|morning routine|hiit|trail running|cycling|strength training|sleep|swimming technique|"
            "core workout|rest day|back pain|step count|ice bath"
        ),
        titles=_list(
            "{n} Day {s} Challenge|{s}: What Nobody Tells You|{n} Minute {s} (No Equipment)|"
            "I Did {s} Every Day for {n} Days|{s} or {t}? A Coach Answers|Fix Your {s} Today"
        ),
        neighbours=("football", "cooking", "travel"),
        minutes=11,
    ),
    Theme(
        name="football",
        category=17,
        weight=1.3,
        core=_list("football|soccer|highlights|goals|premier league|matchday"),
        subjects=_list(
            "champions league|transfer news|free kick|goalkeeper saves|world cup 2026|derby day|"
            "tactical analysis|youth academy|penalty shootout|skills and tricks|fan reactions|match preview|"
            "manager interview|women's football|futsal|referee decisions|stadium tour|set pieces|bicycle kick|"
            "press conference"
        ),
        titles=_list(
            "{s}: All Goals & Highlights|{n} {s} Moments You Forgot|{s} Explained in {n} Minutes|"
            "The Greatest {s} Ever?|We Went to the {s}!|{s} and {t} - Weekly Show #{n}"
        ),
        neighbours=("fitness", "comedy", "news"),
        minutes=9,
    ),
    Theme(
        name="travel",
        category=19,
        weight=0.9,
        core=_list("travel|travel vlog|adventure|vlog|backpacking|travel guide"),
        subjects=_list(
            "night train|van life|solo travel|hidden beaches|mountain hike|budget travel|island hopping|"
            "street market|road trip|city walk|hostel|northern lights|camping in rain|rail pass|desert|food tour|"
            "digital nomad|ferry|national park|winter cabin"
        ),
        titles=_list(
            "{n} Days of {s}|{s} on ${n} a Day|I Tried {s} Alone|{s}: Worth It?|Avoid This {s} Mistake|"
            "{s}, {t} and a Lost Passport|The World's Longest {s}"
        ),
        neighbours=("nature", "cooking", "history"),
        minutes=16,
    ),
    Theme(
        name="nature",
        category=15,
        weight=0.7,
        core=_list("nature|wildlife|animals|4k nature|relaxing|outdoors"),
        subjects=_list(
            "bird watching|coral reef|wolf pack|cat videos|puppy training|rain sounds|bee keeping|whale song|"
            "rainforest|aquarium|wild mushrooms|elephant rescue|fox den|gardening|night vision|butterfly|"
            "horse riding|river cleanup|bonsai|insects"
        ),
        titles=_list(
            "{s} in 4K ({n} Hours)|Rescuing a {s}|{s} Up Close|The Secret Life of the {s}|{n} Days with a {s}|"
            "{s} Meets {t}|Why the {s} Came Back"
        ),
        neighbours=("science", "travel", "diy"),
        minutes=13,
    ),
    Theme(
        name="history",
        category=27,
        weight=0.6,
        core=_list("history|ancient history|documentary|explained|archaeology|medieval"),
        subjects=_list(
            "roman empire|viking ships|silk road|castle siege|lost city|bronze age|cold war|"
            "industrial revolution|ancient egypt|samurai|old maps|pirates|cathedral builders|"
            "forgotten inventions|plague|byzantium|trade routes|cave paintings|lighthouse|shipwreck"
        ),
        titles=_list(
            "The {s}: A Short History|How the {s} Really Worked|{n} Minutes of {s}|The Rise and Fall of the {s}|"
            "{s} and {t}, Connected|What School Left Out About the {s}"
        ),
        neighbours=("science", "travel", "news"),
        minutes=21,
    ),
    Theme(
        name="comedy",
        category=23,
        weight=1.2,
        core=_list("comedy|funny|sketch|prank|memes|try not to laugh"),
        subjects=_list(
            "office sketch|stand up|parody song|awkward moments|dad jokes|improv|bloopers|fake commercial|"
            "roommates|family dinner|voice impressions|bad advice|animal dub|reaction video|cringe test|"
            "street interview|puppets|silent comedy|life hacks gone wrong|podcast clips"
        ),
        titles=_list(
            "{s} Be Like|When Your Boss Finds the {s}|{n} Minutes of {s}|{s} (Gone Wrong)|POV: {s}|"
            "{s} but It's Also a {t}|Try Not to Laugh: {s} #{n}"
        ),
        neighbours=("music", "gaming", "news"),
        minutes=6,
    ),
    Theme(
        name="news",
        category=25,
        weight=0.8,
        core=_list("news|breaking news|world news|analysis|interview|politics"),
        subjects=_list(
            "election results|energy prices|housing crisis|storm warning|space budget|ai regulation|trade deal|"
            "train strike|central bank|water shortage|press freedom|local news|fact check|summit|court ruling|"
            "heatwave|protest|new law|weather forecast|economy update"
        ),
        titles=_list(
            "{s}: What We Know|{s} Explained|Live: {s}|{n} Questions About the {s}|How the {s} Affects You|"
            "From {t} to {s}: The Week in {n} Minutes"
        ),
        neighbours=("finance", "history", "football"),
        minutes=8,
    ),
    Theme(
        name="finance",
        category=27,
        weight=0.7,
        core=_list("finance|money|investing|personal finance|economy|side hustle"),
        subjects=_list(
            "index funds|budgeting|bitcoin|dividend stocks|inflation|first home|freelancing|credit score|"
            "retirement|stock market today|passive income|small business|tax tips|emergency fund|real estate|"
            "financial freedom|interest rates|startup|crypto news|saving money"
        ),
        titles=_list(
            "{s} for Beginners|How I Saved ${n},000 with {s}|{n} {s} Rules|The Truth About {s}|{s} vs {t}|"
            "Is {s} Dead?|{s}: {n} Years of Results"
        ),
        neighbours=("programming", "news", "diy"),
        minutes=13,
    ),
    Theme(
        name="diy",
        category=26,
        weight=0.8,
        core=_list("diy|how to|woodworking|maker|home improvement|build"),
        subjects=_list(
            "workbench build|epoxy table|tiny house|solar panels|garden shed|furniture restoration|"
            "leather wallet|welding|old radio repair|blacksmith knife|tool restoration|concrete planter|"
            "bathroom makeover|arduino project|bike repair|plywood|knot tying|upcycling|car restoration|"
            "cnc router"
        ),
        titles=_list(
            "I Built a {s} for ${n}|{s} from Scrap|Restoring a {n} Year Old {s}|{s}: Start to Finish|"
            "{n} {s} Tips|Never Do Your {s} This Way|{s} Meets {t}"
        ),
        neighbours=("technology", "cooking", "nature"),
        minutes=17,
    ),
)

EVERYWHERE: Final = _list("2026|viral|how to|shorts|vlog|review|beginners|challenge|tips|compilation|new|trending")
"""Tags that any video may carry, whatever it is about."""

CHANNEL_FIRST: Final = _list(
    "Daily|Northern|Quiet|Pixel|Golden|Urban|Curious|Little|Big|Honest|Midnight|Sunny|Rusty|Electric|Paper|Silver|"
    "Wandering|Salty|Clever|Mellow|Bright|Hidden|Iron|Velvet|Open|Lucky|Slow|Atlas|Polar|Copper|Cosmic|Cedar"
)
CHANNEL_LAST: Final = _list(
    "Lab|Studio|Corner|Garage|Academy|Diaries|Report|Factory|Club|Workshop|Nation|Hour|Basement|Channel|Collective|Table|"
    "Trail|Desk|Archive|House|Works|Show|& Sons|with Mia|with Theo|HQ|TV|Uncut|Explained|Weekly"
)
