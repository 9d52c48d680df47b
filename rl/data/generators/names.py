"""Words that puzzles draw from: attributes of zebra puzzles, families of things to order, people, syllables."""

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    name: tuple(value.strip() for value in values.split(","))
    for name, values in {
        "Nationality": (
            "american, argentine, australian, brazilian, british, canadian, chilean, chinese, danish, dutch, egyptian, "
            "finnish, french, german, greek, indian, irish, italian, japanese, kenyan, mexican, norwegian, polish, "
            "spanish, turkish"
        ),
        "Food": (
            "apple, apricot, asparagus, avocado, banana, bean, blueberry, broccoli, cabbage, carrot, cashew, celery, "
            "cherry, coconut, corn, cranberry, cucumber, eggplant, fig, garlic, grape, kiwi, leek, lemon, lettuce, "
            "mango, melon, mushroom, nectarine, olive, onion, orange, papaya, peach, pear, pepper, pineapple, plum, "
            "potato, pumpkin, raspberry, spinach, strawberry, tomato, zucchini"
        ),
        "Pet": (
            "cat, chinchilla, dog, donkey, duck, ferret, gecko, goldfish, goose, guinea-pig, hamster, hedgehog, "
            "iguana, lizard, mouse, parrot, pony, rabbit, snake, turtle"
        ),
        "Job": (
            "accountant, actor, architect, astronomer, baker, barber, bartender, carpenter, chef, chemist, dentist, "
            "designer, doctor, electrician, engineer, farmer, firefighter, florist, gardener, geologist, journalist, "
            "judge, lawyer, librarian, mechanic, nurse, pharmacist, pilot, plumber, professor, programmer, "
            "secretary, tailor, veterinarian, waiter"
        ),
        "Beverage": (
            "beer, cappuccino, champagne, cider, cocoa, coffee, cola, espresso, juice, kefir, lemonade, milk, tea, "
            "water, wine"
        ),
        "Transport": (
            "airplane, bike, boat, bus, car, ferry, helicopter, hovercraft, jet-ski, limousine, motorbike, "
            "rickshaw, scooter, skateboard, snowmobile, subway, taxi, train, tram, van"
        ),
        "Music-Genre": (
            "ambient, blues, bluegrass, classical, country, disco, dubstep, electronic, flamenco, folk, funk, gospel, "
            "grunge, hip-hop, house, jazz, latin, metal, pop, punk, reggae, rock, salsa, soul, techno"
        ),
        "Movie-Genre": (
            "action, adventure, animation, anime, biography, comedy, crime, disaster, documentary, drama, epic, "
            "family, fantasy, film-noir, heist, horror, martial-arts, musical, mystery, parody, romance, satire, "
            "spy, thriller, western"
        ),
        "Sport": (
            "archery, badminton, baseball, basketball, biathlon, bowling, boxing, climbing, cricket, curling, "
            "cycling, fencing, football, golf, handball, hockey, judo, rowing, rugby, sailing, skiing, swimming, "
            "tennis, volleyball, wrestling"
        ),
        "Hobby": (
            "astrology, baking, birdwatching, camping, chess, cooking, dancing, drawing, embroidery, fishing, "
            "gaming, gardening, hiking, juggling, knitting, magic, origami, painting, photography, pottery, "
            "puzzles, reading, sewing, woodworking, writing"
        ),
    }.items()
}
"""Attribute of a zebra puzzle → its values. No value stands under two attributes."""

FAMILIES: dict[str, tuple[str, ...]] = {
    name: tuple(value.strip() for value in values.split(","))
    for name, values in {
        "birds": (
            "albatross, blackbird, blue jay, canary, cardinal, chickadee, cormorant, crane, crow, cuckoo, dove, eagle, "
            "falcon, finch, flamingo, gull, hawk, heron, hoopoe, hummingbird, ibis, kestrel, kingfisher, lark, "
            "magpie, mockingbird, nightingale, oriole, osprey, owl, parakeet, partridge, peacock, pelican, penguin, "
            "pheasant, pigeon, puffin, quail, raven, robin, sparrow, starling, stork, swallow, swan, thrush, toucan, "
            "woodpecker, wren"
        ),
        "mammals": (
            "antelope, armadillo, badger, bat, bear, beaver, bison, camel, cheetah, chipmunk, coyote, deer, dolphin, "
            "elephant, elk, fox, gazelle, giraffe, gorilla, hedgehog, hippo, hyena, jaguar, kangaroo, koala, lemur, "
            "leopard, lion, llama, lynx, mole, moose, otter, panda, panther, porcupine, rabbit, raccoon, reindeer, "
            "rhino, seal, skunk, sloth, squirrel, tiger, walrus, whale, wolf, wombat, zebra"
        ),
        "fruits": (
            "apple, apricot, avocado, banana, blackberry, blueberry, cantaloupe, cherry, clementine, coconut, "
            "cranberry, currant, date, dragon fruit, durian, elderberry, fig, gooseberry, grape, grapefruit, guava, "
            "jackfruit, kiwi, kumquat, lemon, lime, lychee, mandarin, mango, mulberry, nectarine, orange, papaya, "
            "passion fruit, peach, pear, persimmon, pineapple, plum, pomegranate, quince, raspberry, star fruit, "
            "strawberry, tamarind, tangerine, watermelon, yuzu"
        ),
        "vehicles": (
            "airplane, ambulance, bicycle, boat, bulldozer, bus, canoe, car, caravan, carriage, convertible, "
            "ferry, fire engine, forklift, glider, golf cart, helicopter, hot air balloon, hovercraft, kayak, "
            "limousine, minivan, moped, motorcycle, pickup, raft, rickshaw, rocket, sailboat, scooter, segway, "
            "skateboard, sled, snowmobile, speedboat, submarine, subway, taxi, tractor, train, tram, tricycle, "
            "truck, unicycle, van, yacht"
        ),
        "instruments": (
            "accordion, bagpipe, banjo, bassoon, bongo, bugle, cello, clarinet, cornet, cymbal, didgeridoo, "
            "double bass, dulcimer, fiddle, flute, french horn, glockenspiel, gong, guitar, harmonica, harp, "
            "harpsichord, kazoo, lute, lyre, mandolin, maraca, marimba, oboe, ocarina, organ, panpipe, piano, piccolo, "
            "recorder, saxophone, sitar, tambourine, timpani, triangle, trombone, trumpet, tuba, ukulele, viola, "
            "violin, xylophone, zither"
        ),
        "gemstones": (
            "agate, alexandrite, amber, amethyst, ametrine, apatite, aquamarine, beryl, bloodstone, carnelian, "
            "chalcedony, citrine, coral, diamond, diopside, emerald, garnet, hematite, iolite, jade, jasper, kunzite, "
            "kyanite, labradorite, lapis lazuli, malachite, moonstone, morganite, obsidian, onyx, opal, pearl, "
            "peridot, pyrite, quartz, rhodonite, ruby, sapphire, sodalite, spinel, sunstone, tanzanite, tiger eye, "
            "topaz, tourmaline, turquoise, zircon"
        ),
        "people": (
            "Aaron, Alice, Amelia, Anna, Ben, Bruno, Carla, Clara, Daniel, David, Diana, Elena, Emma, Eric, Felix, "
            "Fiona, Frank, Grace, Hannah, Hugo, Iris, Isaac, Jack, Julia, Karl, Kate, Laura, Leo, Liam, Lucy, Marco, "
            "Maria, Martin, Mia, Nina, Noah, Olga, Oscar, Paul, Petra, Rosa, Ruth, Samuel, Sofia, Thomas, Ursula, "
            "Victor, Wendy, Yara, Zoe"
        ),
    }.items()
}
"""Family of things to put in order → its members. People are capitalised, some members are two words."""

_FIRST = (
    "Ada Adam Aisha Alan Alba Albert Alex Alma Amir Amy Ana Andrea Angela Anita Anton Arno Arthur Astrid Axel "
    "Bea Bella Bert Beth Boris Brenda Brian Bridget Carl Carmen Carol Cecilia Chad Chloe Colin Connor Cora "
    "Cyril Dana Daphne Darius Dean Debra Derek Dora Doris Dylan Edgar Edith Edwin Elias Elise Ella Elmer Elsa "
    "Emil Emily Enzo Erica Esther Ethan Eva Evan Faith Farid Fay Fern Fleur Flora Floyd Freya Fritz Gail "
    "Gareth Gemma George Gina Glen Gloria Gordon Greta Gus Gwen Hanna Harold Harry Hazel Heidi Helen Henry "
    "Hilda Holly Hope Howard Ian Ida Igor Ilse Ines Inga Ingrid Ira Irene Irma Ivan Ivy Jacob Jade James Jan "
    "Jane Jasper Jean Jesse Jill Joan Joel John Jon Joy Juan Jude June Kai Karen Karim Keith Kim Klaus Kurt "
    "Kyle Lana Lance Lars Lea Leah Lena Leon Lewis Lia Lily Linda Lisa Lloyd Lois Lola Lorna Lotte Louis Lucas "
    "Luis Luna Lydia Lyle Mabel Malik Mara Marc Marta Mary Matt Maud Max May Mel Mira Moira Mona Morgan Myra "
    "Nadia Naomi Neil Nell Nick Nils Nora Norman Odette Ola Olive Omar Opal Otto Owen Paige Pam Pascal Pat "
    "Pearl Pedro Perla Peter Phil Piet Quinn Rachel Ralph Ramon Raul Ray Rene Rex Rhea Rita Rob Rolf Roman "
    "Rory Ross Roy Ruby Rufus Sally Sam Sara Saul Sean Selma Seth Shane Silas Simon Sonia Stan Stella Steve "
    "Sue Sven Tara Ted Tess Theo Tilda Tim Tina Toby Todd Tom Tony Tracy Troy Una Uri Uwe Vera Vic Viola Wade "
    "Walt Wanda Wayne Will Wilma Wolf Xena Yann Yves Yvonne Zack Zara Zelda Zeno"
)
FIRST_NAMES = tuple(_FIRST.split())
"""People of implication chains, no name twice."""

_LAST = (
    "Adler Baker Carter Dixon Ellis Fisher Grant Hayes Irwin Jensen Keller Lopez Meyer Nolan Olsen Parker "
    "Reyes Silva Turner Vargas Weber York"
)
LAST_NAMES = tuple(_LAST.split())
"""With the first names, enough people for the largest graphs."""

_STARTS = "b d f fl gr h j k l m n p r s sk t tr v w z"
SYLLABLES = tuple(start + vowel + end for start in _STARTS.split() for vowel in "aeiou" for end in ("", *"lmnprsx"))
"""Two of them make a word that means nothing."""
