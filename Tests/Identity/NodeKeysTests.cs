using FastExit.Crypto.EndToEnd;
using FastExit.Crypto.Primitives;
using FastExit.Identity;
using Xunit;

namespace FastExit.Tests.Identity;

public sealed class NodeKeysTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly string _directory = Directory.CreateTempSubdirectory("fastexit-keys-").FullName;

    private string Keys => Path.Combine(_directory, "keys");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void What_is_saved_is_loaded_again()
    {
        using var saved = NodeKeys.Generate(7);
        saved.Save(_directory);
        using var loaded = NodeKeys.Load(_directory);
        Assert.Equal(saved.IdentitySeed, loaded.IdentitySeed);
        Assert.Equal(saved.Identity, loaded.Identity);
        Assert.Equal(saved.CurrentSphinxKey.PrivateKey, loaded.CurrentSphinxKey.PrivateKey);
        Assert.Equal(saved.NoisePrivateKey, loaded.NoisePrivateKey);
        Assert.Equal(saved.NoisePublicKey, loaded.NoisePublicKey);
        Assert.Equal(7u, loaded.CurrentSphinxKey.RotationId);
        Assert.Equal(saved.NetworkRequester.EncryptionPrivateKey, loaded.NetworkRequester.EncryptionPrivateKey);
        Assert.Equal(saved.NetworkRequester.AcknowledgementKey, loaded.NetworkRequester.AcknowledgementKey);
        Assert.Equal(saved.NetworkRequester.IdentitySeed, loaded.NetworkRequester.IdentitySeed);
        Assert.Equal(saved.NetworkRequester.Address, loaded.NetworkRequester.Address);
        Assert.Same(loaded.CurrentSphinxKey, Assert.Single(loaded.SphinxKeys));
        Assert.Null(loaded.PreviousSphinxKey);
        Assert.Null(loaded.NextSphinxKey);
    }

    [Fact]
    public void The_address_is_made_of_the_public_keys()
    {
        using var keys = NodeKeys.Generate(1);
        var requester = keys.NetworkRequester;
        var encryption = new byte[32];
        X25519.MultiplyBase(requester.EncryptionPrivateKey, encryption);
        var text = $"{NodeKeys.Base58Text(Ed25519.PublicKey(requester.IdentitySeed))}.{NodeKeys.Base58Text(encryption)}@{NodeKeys.Base58Text(Ed25519.PublicKey(keys.IdentitySeed))}";
        Assert.Equal(text, requester.Address.ToString());
        Assert.True(Recipient.TryParse(text, out var parsed));
        Assert.Equal(requester.Address, parsed);
    }

    [Fact]
    public void Keys_of_a_later_service_are_added_once_and_touch_no_other()
    {
        using var keys = NodeKeys.Generate(1);
        keys.Save(_directory);
        var routerFiles = Directory.GetFiles(Keys, "ip_packet_router_*.pem");
        Assert.Equal(3, routerFiles.Length);
        foreach (var file in routerFiles)
            File.Delete(file);
        var others = Directory.GetFiles(Keys).ToDictionary(file => file, File.ReadAllBytes);
        using (var without = NodeKeys.Load(_directory))
            Assert.Null(without.IpPacketRouter);

        Assert.True(NodeKeys.AddIpPacketRouter(_directory));
        using var added = NodeKeys.Load(_directory);
        Assert.NotEqual(keys.IpPacketRouter!.Address, added.IpPacketRouter!.Address);
        Assert.Equal(keys.NetworkRequester.Address, added.NetworkRequester.Address);
        Assert.True(added.IpPacketRouter.Address.Gateway.SequenceEqual(keys.Identity));
        Assert.All(others, file => Assert.Equal(file.Value, File.ReadAllBytes(file.Key)));
        Assert.All(routerFiles, file => Assert.Equal(OwnerOnly, File.GetUnixFileMode(file)));

        Assert.False(NodeKeys.AddIpPacketRouter(_directory));
        using var again = NodeKeys.Load(_directory);
        Assert.Equal(added.IpPacketRouter.Address, again.IpPacketRouter!.Address);
    }

    [Fact]
    public void A_noise_key_is_added_once_and_touches_no_other()
    {
        using var keys = NodeKeys.Generate(1);
        keys.Save(_directory);
        var file = Path.Combine(Keys, "noise.pem");
        File.Delete(file);
        var others = Directory.GetFiles(Keys).ToDictionary(other => other, File.ReadAllBytes);
        using (var without = NodeKeys.Load(_directory))
        {
            Assert.True(without.NoisePrivateKey.IsEmpty);
            Assert.True(without.NoisePublicKey.IsEmpty);
        }

        Assert.True(NodeKeys.AddNoise(_directory));
        using var added = NodeKeys.Load(_directory);
        var expected = new byte[X25519.KeyBytes];
        X25519.MultiplyBase(added.NoisePrivateKey, expected);
        Assert.Equal(expected, added.NoisePublicKey);
        Assert.False(keys.NoisePublicKey.SequenceEqual(added.NoisePublicKey));
        Assert.All(others, other => Assert.Equal(other.Value, File.ReadAllBytes(other.Key)));
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(file));
        Assert.False(NodeKeys.AddNoise(_directory));
        using var again = NodeKeys.Load(_directory);
        Assert.Equal(added.NoisePublicKey, again.NoisePublicKey);
    }

    [Theory]
    [InlineData("identity")]
    [InlineData("encryption")]
    [InlineData("ack")]
    public void Some_keys_of_a_service_and_not_all_are_refused(string missing)
    {
        using var keys = NodeKeys.Generate(1);
        keys.Save(_directory);
        File.Delete(Path.Combine(Keys, $"ip_packet_router_{missing}.pem"));
        var before = Directory.GetFiles(Keys).ToDictionary(file => file, File.ReadAllBytes);
        Assert.Contains($"ip_packet_router_{missing}.pem: no such file", Refusal(), StringComparison.Ordinal);
        Assert.Throws<KeyFileException>(() => NodeKeys.AddIpPacketRouter(_directory));
        Assert.Equal(before.Keys.Order(), Directory.GetFiles(Keys).Order());
        Assert.All(before, file => Assert.Equal(file.Value, File.ReadAllBytes(file.Key)));
    }

    [Fact]
    public void Keys_are_private_on_disk()
    {
        using var keys = NodeKeys.Generate(1);
        keys.Save(_directory);
        Assert.Equal(OwnerOnly | UnixFileMode.UserExecute, File.GetUnixFileMode(Keys));
        var files = Directory.GetFiles(Keys);
        Assert.Equal(9, files.Length);
        foreach (var file in files)
            Assert.Equal(OwnerOnly, File.GetUnixFileMode(file));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.GroupWrite)]
    [InlineData(UnixFileMode.OtherWrite)]
    public void A_file_that_others_may_use_is_refused(UnixFileMode mode)
    {
        using var keys = NodeKeys.Generate(1);
        keys.Save(_directory);
        foreach (var file in Directory.GetFiles(Keys))
        {
            File.SetUnixFileMode(file, OwnerOnly | mode);
            Assert.Contains($"chmod 600 '{file}'", Refusal(), StringComparison.Ordinal);
            File.SetUnixFileMode(file, OwnerOnly);
        }

        File.SetUnixFileMode(Keys, OwnerOnly | UnixFileMode.UserExecute | mode);
        Assert.Contains("chmod 700", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void Any_changed_byte_of_any_file_is_noticed()
    {
        using var keys = NodeKeys.Generate(1);
        keys.Save(_directory);
        foreach (var file in Directory.GetFiles(Keys))
        {
            var sound = File.ReadAllBytes(file);
            for (var i = 0; i < sound.Length; i++)
            {
                var damaged = (byte[])sound.Clone();
                damaged[i] ^= 1;
                File.WriteAllBytes(file, damaged);
                var message = Refusal();
                Assert.StartsWith(file, message, StringComparison.Ordinal);
                Assert.Contains("restore it from a backup", message, StringComparison.Ordinal);
            }

            File.WriteAllBytes(file, sound[..^1]);
            Refusal();
            File.WriteAllBytes(file, []);
            Refusal();
            File.WriteAllBytes(file, new byte[5_000]);
            Refusal();
            File.Delete(file);
            // A node of before Noise is a sound node.
            if (Path.GetFileName(file) == "noise.pem")
                NodeKeys.Load(_directory).Dispose();
            else
                Assert.Contains("no such file", Refusal(), StringComparison.Ordinal);
            File.WriteAllBytes(file, sound);
            File.SetUnixFileMode(file, OwnerOnly);
        }

        NodeKeys.Load(_directory).Dispose();
    }

    [Fact]
    public void A_key_in_the_wrong_place_is_refused()
    {
        using var keys = NodeKeys.Generate(1);
        keys.Save(_directory);
        File.Copy(Path.Combine(Keys, "network_requester_encryption.pem"), Path.Combine(Keys, "node_identity.pem"), overwrite: true);
        Assert.Contains("not a ED25519 PRIVATE KEY", Refusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sphinx_previous.pem", 6, true)]
    [InlineData("sphinx_previous.pem", 5, false)]
    [InlineData("sphinx_previous.pem", 7, false)]
    [InlineData("sphinx_next.pem", 8, true)]
    [InlineData("sphinx_next.pem", 9, false)]
    public void Neighbouring_rotations_are_loaded(string name, uint rotation, bool valid)
    {
        using var keys = NodeKeys.Generate(7);
        keys.Save(_directory);
        using var other = SphinxKey.Generate(rotation);
        KeyFile.Write(Path.Combine(Keys, name), "X25519 SPHINX PRIVATE KEY", other.Stored);
        if (!valid)
        {
            Assert.Contains("rotation", Refusal(), StringComparison.Ordinal);
            return;
        }

        using var loaded = NodeKeys.Load(_directory);
        Assert.Equal([7u, rotation], loaded.SphinxKeys.Select(key => key.RotationId));
    }

    [Fact]
    public void Keys_are_never_overwritten()
    {
        using var keys = NodeKeys.Generate(1);
        keys.Save(_directory);
        using var others = NodeKeys.Generate(1);
        Assert.Contains("never overwritten", Assert.Throws<KeyFileException>(() => others.Save(_directory)).Message, StringComparison.Ordinal);
        using var loaded = NodeKeys.Load(_directory);
        Assert.Equal(keys.IdentitySeed, loaded.IdentitySeed);
        Assert.Equal([Keys], Directory.GetFileSystemEntries(_directory));
    }

    [Fact]
    public void A_save_that_fails_leaves_nothing()
    {
        using var keys = NodeKeys.Generate(1);
        var file = Path.Combine(_directory, "file");
        File.WriteAllText(file, "");
        Assert.Throws<KeyFileException>(() => keys.Save(file));
        Assert.Throws<KeyFileException>(() => KeyFile.Write(Path.Combine(_directory, "absent", "key.pem"), "T", new byte[32]));
        Directory.CreateDirectory(Path.Combine(_directory, "taken.pem", "inner"));
        Assert.Throws<KeyFileException>(() => KeyFile.Write(Path.Combine(_directory, "taken.pem"), "T", new byte[32]));
        Assert.Equal(["file", "taken.pem"], Directory.GetFileSystemEntries(_directory).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void Disposed_keys_are_zero_and_gone()
    {
        var secret = SecretBytes.Random(32);
        // The span stays valid because the array is pinned for its life.
        var view = secret.Span;
        Assert.True(view.ContainsAnyExcept((byte)0));
        secret.Dispose();
        Assert.False(view.ContainsAnyExcept((byte)0));
        Assert.Throws<ObjectDisposedException>(() => secret.Span.Length);

        var keys = NodeKeys.Generate(1);
        var seed = keys.IdentitySeed;
        var encryption = keys.NetworkRequester.EncryptionPrivateKey;
        var acknowledgement = keys.NetworkRequester.AcknowledgementKey;
        var sphinx = keys.CurrentSphinxKey.PrivateKey;
        var noise = keys.NoisePrivateKey;
        keys.Dispose();
        Assert.False(seed.ContainsAnyExcept((byte)0));
        Assert.False(encryption.ContainsAnyExcept((byte)0));
        Assert.False(acknowledgement.ContainsAnyExcept((byte)0));
        Assert.False(sphinx.ContainsAnyExcept((byte)0));
        Assert.False(noise.ContainsAnyExcept((byte)0));
        Assert.Throws<ObjectDisposedException>(() => keys.CurrentSphinxKey.PrivateKey.Length);
    }

    /// <summary>Only the exact form of a key is read: garbage, mutants and cut files are not.</summary>
    [Fact]
    public void Generated_files_are_read_only_when_they_are_exact()
    {
        var random = new Random(17);
        var key = new byte[32];
        var found = new byte[32];
        var sound = new byte[1_024];
        var mutant = new byte[1_200];
        random.NextBytes(key);
        var length = KeyFile.Format("T", key, sound);
        for (var i = 0; i < 1_000_000; i++)
        {
            int size;
            if (i % 2 == 0)
            {
                size = random.Next(mutant.Length);
                random.NextBytes(mutant.AsSpan(0, Math.Min(size, 64)));
            }
            else
            {
                sound.CopyTo(mutant, 0);
                size = random.Next(4) == 0 ? random.Next(length) : length;
                mutant[random.Next(length)] ^= (byte)random.Next(256);
            }

            var same = mutant.AsSpan(0, size).SequenceEqual(sound.AsSpan(0, length));
            if (KeyFile.TryParse(mutant.AsSpan(0, size), "T", found) != same)
                Assert.Fail(Convert.ToHexString(mutant.AsSpan(0, size)));
        }

        Assert.True(KeyFile.TryParse(sound.AsSpan(0, length), "T", found));
        Assert.Equal(key, found);
    }

    private string Refusal()
    {
        var message = Assert.Throws<KeyFileException>(() => NodeKeys.Load(_directory).Dispose()).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
