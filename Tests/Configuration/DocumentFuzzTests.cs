using System.Globalization;
using System.Net;
using System.Text;
using FastExit.Configuration;
using Xunit;

namespace FastExit.Tests.Configuration;

/// <summary>A million small TOML documents: an untouched one gives what it says, any other is read or refused on one line.</summary>
public sealed class DocumentFuzzTests
{
    private static readonly string[] s_pieces =
    [
        "[", "]", "{", "}", "=", "\"", "'", "\"\"\"", ".", ",", "1e5", "0x1", "inf", "1979-05-27", "\\", "\0", "é", "\uD800", "[[a]]", "#", "\r",
        "\n", "true", "dns.", "[dns]\n", "= 1\n",
    ];

    [Fact]
    public void Documents_are_read_or_refused_on_one_line()
    {
        var announced = new IPEndPoint(IPAddress.Parse("192.0.2.1"), 1789);
        var defaults = ConfigurationFile.Defaults("/data", announced);
        var lines = Setting.All.Where(setting => !setting.IsRequired && setting.Section != "dns")
            .Select(setting => $"{setting.Key} = {SettingValue.Format(setting, setting.Read(defaults))}\n").ToArray();
        var entries = Setting.All.Single(setting => setting.Key == "dns.cache_entries");
        var read = GeneratedInputs.Accepted(11, (random, inputs) =>
        {
            var accepted = 0;
            for (var i = 0; i < inputs; i++)
            {
                var number = random.NextInt64(entries.Maximum + 2);
                var text = new StringBuilder("mix_link.announced = \"192.0.2.1:1789\"\n");
                if (random.Next(2) == 0)
                    text.Append(lines[random.Next(lines.Length)]);
                text.Append(CultureInfo.InvariantCulture, $"{(random.Next(2) == 0 ? "dns.cache_entries = " : "[dns]\ncache_entries = ")}{number}");
                var edits = random.Next(3);
                for (var edit = 0; edit < edits; edit++)
                    Edit(random, text);
                accepted += Judge(text.ToString(), edits == 0 ? number : -1, entries.Maximum, roundTrip: i % 500 == 0) ? 1 : 0;
            }

            return accepted;
        });
        Assert.InRange(read, 350_000, 900_000);
    }

    private static void Edit(Random random, StringBuilder text)
    {
        var at = random.Next(text.Length);
        switch (random.Next(3))
        {
            case 0:
                text.Remove(at, Math.Min(random.Next(1, 12), text.Length - at - 1));
                break;
            case 1:
                text[at] = (char)random.Next(1, 128);
                break;
            default:
                text.Insert(at, s_pieces[random.Next(s_pieces.Length)]);
                break;
        }
    }

    private static bool Judge(string text, long number, long maximum, bool roundTrip)
    {
        ExitSettings settings;
        try
        {
            settings = ConfigurationFile.Parse("/data", "f", text, []);
        }
        catch (ConfigurationException error)
        {
            Assert.True(number < 0 || number > maximum, error.Message);
            Assert.DoesNotContain('\n', error.Message);
            Assert.InRange(error.Message.Length, 10, 600);
            return false;
        }

        Assert.True(number < 0 || settings.Dns.CacheEntries == number);
        Assert.InRange(settings.Dns.CacheEntries, 0, maximum);
        if (roundTrip)
        {
            var written = ConfigurationFile.Format(settings);
            Assert.Equal(written, ConfigurationFile.Format(ConfigurationFile.Parse("/data", "f", written, [])));
        }

        return true;
    }
}
