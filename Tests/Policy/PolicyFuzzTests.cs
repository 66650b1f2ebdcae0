using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using FastExit.Policy;
using Xunit;

namespace FastExit.Tests.Policy;

/// <summary>Whole policies in their three forms, a million generated ones each: text, JSON, and the copy of a fetched one.</summary>
public class PolicyFuzzTests
{
    private static readonly string[] Actions = ["accept", "reject", "accept6", "reject6"];

    private static readonly string[] Targets =
        ["*", "*4", "*6", "1.2.3.4", "10.0.0.0/8", "[fc00::]/7", "[2001:db8::1]", "0.0.0.0/0", "192.0.2.0/24"];

    private static readonly string[] Lines =
    [
        "accept *:443", "ExitPolicy reject 10.0.0.0/8:*", "reject [fc00::]/7:1-1024", "accept *.example.org:80", "reject *:*", "# comment", "",
        "  \t", "accept6 *6:25 # mail", "accept 1.2.3.4:0", "accept *:80\r", "deny *:*", "accept 1.2.3.4/33:1", "accept *", "reject *:2-1",
    ];

    [Fact]
    public void TextIsRefusedAtItsFirstBadLine()
    {
        int read = GeneratedInputs.Accepted(51, (random, inputs) =>
        {
            int accepted = 0;
            for (int i = 0; i < inputs; i++)
            {
                // The last four lines are wrong, and rare.
                var lines = new string[random.Next(6)];
                for (int j = 0; j < lines.Length; j++)
                    lines[j] = Lines[random.Next(random.Next(8) == 0 ? Lines.Length : Lines.Length - 4)];
                string text = Damaged(random, string.Join('\n', lines));
                int rules = 0, bad = 0, number = 0;
                foreach (string line in text.TrimStart('\uFEFF').Split('\n'))
                {
                    number++;
                    if (!PolicyLine.TryRead(line, number, out var rule, out _, out _))
                    {
                        bad = number;
                        break;
                    }

                    rules += rule is null ? 0 : 1;
                }

                try
                {
                    var policy = ExitPolicy.Parse(text, "f");
                    Assert.True(bad == 0 && policy.Rules.Length == rules, text);
                    string canonical = policy.ToCanonicalText();
                    Assert.Equal(canonical, ExitPolicy.Parse(canonical, "f").ToCanonicalText());
                    accepted++;
                }
                catch (PolicyFormatException error)
                {
                    Assert.Equal(bad, error.Line);
                    Assert.DoesNotContain('\n', error.Message);
                }
            }

            return accepted;
        });
        Assert.InRange(read, 300_000, 900_000);
    }

    [Fact]
    public void JsonSaysTheSameAsTheTextOfItsRules()
    {
        int read = GeneratedInputs.Accepted(52, (random, inputs) =>
        {
            var buffer = new ArrayBufferWriter<byte>(1024);
            using var writer = new Utf8JsonWriter(buffer);
            int accepted = 0;
            for (int i = 0; i < inputs; i++)
            {
                var json = new StringBuilder("{\"rules\":[");
                var text = new StringBuilder();
                bool valid = true;
                for (int rules = random.Next(3), j = 0; j < rules; j++)
                {
                    string action = Actions[random.Next(4)], target = Targets[random.Next(Targets.Length)];
                    int start = random.Next(8) == 0 ? random.Next(-1, 70_000) : random.Next(1, 1000);
                    int end = random.Next(8) == 0 ? random.Next(-1, 70_000) : random.Next(1000, 65_536);
                    valid &= (start == 0 && end == 0) || (start >= 1 && start <= end && end <= 65_535);
                    json.Append(
                        CultureInfo.InvariantCulture,
                        $"{(j > 0 ? "," : "")}{{\"action\":\"{action}\",\"pattern\":{{\"ip_pattern\":\"{target}\",\"ports\":{{\"start\":{start},\"end\":{end}}}}}}}");
                    text.Append(CultureInfo.InvariantCulture, $"{action} {target}:{(start == 0 ? "0" : $"{start}-{end}")}\n");
                }

                string whole = json.Append("]}").ToString();
                string form = Damaged(random, whole);
                try
                {
                    var policy = PolicyJson.Parse(Encoding.UTF8.GetBytes(form), "f");
                    Assert.True(valid || form != whole, form);
                    if (form == whole)
                        Assert.Equal(ExitPolicy.Parse(text.ToString(), "f").ToCanonicalText(), policy.ToCanonicalText());
                    buffer.ResetWrittenCount();
                    writer.Reset();
                    PolicyJson.Write(writer, policy);
                    writer.Flush();
                    Assert.Equal(policy.ToCanonicalText(), PolicyJson.Parse(buffer.WrittenMemory, "f").ToCanonicalText());
                    accepted++;
                }
                catch (PolicyFormatException error)
                {
                    Assert.True(!valid || form != whole, error.Message);
                }
            }

            return accepted;
        });
        Assert.InRange(read, 300_000, 900_000);
    }

    [Fact]
    public void CopiesAreOfTheirAddressAndWhole()
    {
        var url = new Uri("https://example.org/policy.txt");
        var other = new Uri("https://example.org/other.txt");
        int read = GeneratedInputs.Accepted(53, (random, inputs) =>
        {
            int accepted = 0;
            for (int i = 0; i < inputs; i++)
            {
                string body = $"{Lines[random.Next(6)]}\n{(random.Next(8) == 0 ? "" : "reject *:*\n")}";
                string? tag = random.Next(2) == 0 ? null : $"\"{random.Next()}\"";
                bool ours = random.Next(8) != 0;
                string whole = PolicyCacheFile.Text(ours ? url : other, tag, body);
                string text = Damaged(random, whole);
                try
                {
                    bool found = PolicyCacheFile.TryParse(text, "f", url, out var policy, out string? readTag);
                    Assert.Equal(found, policy is not null);
                    Assert.True(found || readTag is null);
                    Assert.True(!found || policy!.EndsWithReject);
                    if (text == whole)
                    {
                        Assert.Equal(ours, found);
                        Assert.Equal(ours ? tag : null, readTag);
                        Assert.True(!ours || policy!.ToCanonicalText() == ExitPolicy.Parse(body, "f").ToCanonicalText());
                    }

                    accepted += found ? 1 : 0;
                }
                catch (PolicyFormatException error)
                {
                    Assert.True(text != whole || (ours && !ExitPolicy.Parse(body, "f").EndsWithReject), error.Message);
                }
            }

            return accepted;
        });
        Assert.InRange(read, 300_000, 900_000);
    }

    // Half of the inputs stay as they are; the others lose, gain or change a character or two.
    private static string Damaged(Random random, string text)
    {
        if (random.Next(2) == 0)
            return text;
        var damaged = new StringBuilder(text);
        for (int edits = random.Next(1, 3); edits > 0; edits--)
        {
            int at = random.Next(damaged.Length + 1);
            char c = random.Next(4) == 0 ? (char)random.Next(0x10000) : (char)random.Next(1, 128);
            if (at == damaged.Length || random.Next(3) == 0)
                damaged.Insert(at, c);
            else if (random.Next(2) == 0)
                damaged[at] = c;
            else
                damaged.Remove(at, Math.Min(random.Next(1, 9), damaged.Length - at));
        }

        return damaged.ToString();
    }
}
