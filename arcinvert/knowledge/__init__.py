"""What an attacker knows besides the attacked network: public faces and what they teach."""
