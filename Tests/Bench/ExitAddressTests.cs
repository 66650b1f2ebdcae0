using System.Globalization;
using System.Net;
using System.Text;
using FastExit.Bench;
using FastExit.Bench.Lab;
using SimpleBase;
using Xunit;

namespace FastExit.Tests.Bench;

public class ExitAddressTests
{
    [Fact]
    public void GeneratedAddressesAreReadOrRefusedInOneWay()
    {
        int read = GeneratedInputs.Accepted(62, (random, inputs) =>
        {
            int accepted = 0;
            byte[] identity = new byte[32], sphinxKey = new byte[32];
            random.NextBytes(identity);
            random.NextBytes(sphinxKey);
            for (int i = 0; i < inputs; i++)
            {
                identity[random.Next(32)] = (byte)random.Next(256);
                int port = random.Next(1, 65_536);
                string whole = string.Create(
                    CultureInfo.InvariantCulture,
                    $"{{\"network_requester\":\"r\",\"identity\":\"{Base58.Bitcoin.Encode(identity)}\",\"sphinx_key\":\"{Base58.Bitcoin.Encode(sphinxKey)}\",\"mix_address\":\"127.0.0.1:{port}\"}}");
                var text = new StringBuilder(whole);
                for (int edits = random.Next(3); edits > 0; edits--)
                {
                    int at = random.Next(text.Length);
                    if (random.Next(2) == 0)
                        text[at] = random.Next(8) == 0 ? (char)random.Next(0x10000) : (char)random.Next(1, 128);
                    else
                        text.Remove(at, Math.Min(random.Next(1, 6), text.Length - at - 1));
                }

                string json = text.ToString();
                try
                {
                    ExitAddress address = ExitAddress.Parse(json);
                    Assert.True(address.Identity.Length == 32 && address.SphinxKey.Length == 32);
                    if (json == whole)
                        Assert.True(address.Identity.AsSpan().SequenceEqual(identity) && address.MixAddress.Equals(new IPEndPoint(IPAddress.Loopback, port)));
                    accepted++;
                }
                catch (LabException error)
                {
                    Assert.True(json != whole, error.Message);
                }
            }

            return accepted;
        });
        Assert.InRange(read, 300_000, 900_000);
    }
}
