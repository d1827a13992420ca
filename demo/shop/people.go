package shop

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// country is where users come from; given and family names are written "as written:in ASCII".
type country struct {
	code    string
	weight  int
	regions []string
	given   []string
	family  []string
}

var countries = []country{
	{"IN", 24, []string{"Karnataka", "Maharashtra", "Tamil Nadu", "Delhi", "Kerala", "Telangana"},
		[]string{"Aarav:aarav", "Priya:priya", "देव:dev", "Ananya:ananya", "Rohan:rohan", "மீனா:meena", "Vikram:vikram", "Kavya:kavya"},
		[]string{"Sharma:sharma", "Iyer:iyer", "पटेल:patel", "Reddy:reddy", "Nair:nair", "Gupta:gupta"}},
	{"US", 20, []string{"California", "Texas", "New York", "Florida", "Hawaiʻi"},
		[]string{"Emma:emma", "Liam:liam", "Zoë:zoe", "Noah:noah", "Chloé:chloe", "Mason:mason"},
		[]string{"Smith:smith", "O'Brien:obrien", "Nguyễn:nguyen", "Johnson:johnson", "García:garcia"}},
	{"DE", 12, []string{"Bayern", "Baden-Württemberg", "Thüringen", "Berlin"},
		[]string{"Jürgen:juergen", "Anneliese:anneliese", "Björn:bjoern", "Käthe:kaethe", "Lukas:lukas"},
		[]string{"Müller:mueller", "Groß:gross", "Schäfer:schaefer", "Weiß:weiss", "Köhler:koehler"}},
	{"FR", 8, []string{"Île-de-France", "Provence-Alpes-Côte d'Azur", "Bretagne"},
		[]string{"Léa:lea", "François:francois", "Maëlys:maelys", "Hélène:helene"},
		[]string{"Lefèvre:lefevre", "Noël:noel", "d'Aubigné:daubigne", "Martin:martin"}},
	{"ES", 6, []string{"Cataluña", "Andalucía", "A Coruña"},
		[]string{"José:jose", "Begoña:begona", "Iñaki:inaki", "Lucía:lucia"},
		[]string{"Muñoz:munoz", "Ibáñez:ibanez", "López:lopez"}},
	{"BR", 6, []string{"São Paulo", "Ceará", "Paraná"},
		[]string{"João:joao", "Conceição:conceicao", "Antônio:antonio"},
		[]string{"Gonçalves:goncalves", "Araújo:araujo", "Silva:silva"}},
	{"PL", 5, []string{"Łódzkie", "Śląskie", "Małopolskie"},
		[]string{"Łukasz:lukasz", "Małgorzata:malgorzata", "Świętosław:swietoslaw"},
		[]string{"Wójcik:wojcik", "Żółkiewska:zolkiewska", "Kowalski:kowalski"}},
	{"TR", 5, []string{"İstanbul", "İzmir", "Muğla"},
		[]string{"Ayşe:ayse", "Çağlar:caglar", "Işıl:isil", "Oğuz:oguz"},
		[]string{"Yılmaz:yilmaz", "Öztürk:ozturk", "Şahin:sahin"}},
	{"JP", 5, []string{"東京都", "大阪府", "北海道"},
		[]string{"さくら:sakura", "健太:kenta", "陽子:yoko"},
		[]string{"𠮷田:yoshida", "髙橋:takahashi", "佐藤:sato"}}, // the first needs four bytes in UTF-8
	{"CN", 4, []string{"上海市", "广东省"},
		[]string{"伟:wei", "芳:fang", "秀英:xiuying"},
		[]string{"王:wang", "李:li", "张:zhang"}},
	{"UA", 3, []string{"Київ", "Львівська область"},
		[]string{"Олена:olena", "Андрій:andrii"},
		[]string{"Шевченко:shevchenko", "Коваль:koval"}},
	{"EG", 2, []string{"القاهرة", "الإسكندرية"},
		[]string{"فاطمة:fatima", "محمد:mohamed"},
		[]string{"حسن:hassan", "إبراهيم:ibrahim"}},
}

type person struct {
	name, email, country string
	region               string // empty where unknown
}

// newPerson draws a person; tag makes the email address unlike all others.
func newPerson(r *rand.Rand, tag string) person {
	c := pickCountry(r)
	given, login := nameParts(pick(r, c.given))
	family, surname := nameParts(pick(r, c.family))
	p := person{
		name:    given + " " + family,
		email:   fmt.Sprintf("%s.%s.%s@example.com", login, surname, tag),
		country: c.code,
	}
	if r.IntN(5) > 0 {
		p.region = pick(r, c.regions)
	}
	return p
}

func pickCountry(r *rand.Rand) country {
	at := r.IntN(100) // the weights add up to 100
	for _, c := range countries {
		if at -= c.weight; at < 0 {
			return c
		}
	}
	return countries[0]
}

func nameParts(entry string) (written, ascii string) {
	written, ascii, _ = strings.Cut(entry, ":")
	return written, ascii
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }
